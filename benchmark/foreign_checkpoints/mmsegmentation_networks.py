"""Checkpoints that mmsegmentation wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from torch import Tensor, nn

from ..interfaces.errors import BenchError, UnknownNameError
from ..planning.inputs import find_segmenter
from ..plugins.registry import Registry
from ..segmenters.mmsegmentation.construction.blueprint import read_blueprint
from ..segmenters.mmsegmentation.construction.network_building import build_network
from .checkpoint_layout import CheckpointLayout, Part, State


def of_mmsegmentation(name: str, registry: Registry, others: Iterable[str]) -> CheckpointLayout:
    """A checkpoint of a segmenter or config of mmsegmentation; the weights keep their names.

    Args:
        name: the segmenter or config.
        registry: knows the segmenters.
        others: further networks, which the message for an unknown name lists.

    Raises:
        UnknownNameError: there is no such segmenter or config.
        BenchError: the segmenter is not made of mmsegmentation's models.
    """
    try:
        entry, implied = find_segmenter(name, registry)
    except UnknownNameError as error:
        raise UnknownNameError("network", name, [*others, *registry.names("segmenters")]) from error
    config = implied.get("config") or getattr(entry.load(), "architecture", {}).get("config")
    if config is None:
        raise BenchError(
            f"segmenter '{name}' is not made of mmsegmentation's models: give its checkpoint to --checkpoint"
        )
    network = partial(network_of_config, config)
    option = f"--segmenter {name} --checkpoint {{file}}"
    return CheckpointLayout((Part(network, option),), None, prepare=_without_preprocessor)


def network_of_config(config: str, classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    """The network of an mmsegmentation config; the weights tell nothing that the config does not."""
    return build_network(read_blueprint(config, classes))


def _without_preprocessor(states: list[State], classes: int) -> list[State]:
    """Without mean and deviation of the images, which this project takes from the config."""
    return [
        {key: value for key, value in state.items() if not key.startswith("data_preprocessor.")}
        for state in states
    ]
