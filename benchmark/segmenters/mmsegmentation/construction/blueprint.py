"""Reads the model of an mmsegmentation config and adapts it to the classes of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ....interfaces.errors import BenchError
from .config_files import find_config
from .mmcv_ops import make_mmseg_importable

HEADS = ("decode_head", "auxiliary_head")
WEIGHTED = ("OhemCrossEntropy", "PlainCrossEntropy", "CrossEntropyLoss")
"""Types of losses that take a weight for every class."""
FOREIGN = ("mmdet.", "mmpretrain.", "mmcls.", "mmrotate.")
"""Prefixes of the types that packages other than mmsegmentation register."""

ClassWeights = Sequence[float] | Literal["config"] | None
"""A weight for every class in the cross entropies; "config" for the config's own; None for equal weights."""


@dataclass(frozen=True)
class Blueprint:
    """The part of a config from which the network is built.

    Attributes:
        name: Name of the config, for messages.
        model: The config's `model`, adapted to the classes of the data set.
    """

    name: str
    model: dict[str, Any]

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of every channel, on the scale 0..255, that the network expects to be subtracted."""
        return tuple(self._preprocessor.get("mean") or (0.0, 0.0, 0.0))

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of every channel, on the scale 0..255, that the network expects to divide by."""
        return tuple(self._preprocessor.get("std") or (1.0, 1.0, 1.0))

    @property
    def bgr(self) -> bool:
        """Whether the network expects blue first: mmsegmentation loads BGR and may turn it into RGB."""
        return not self._preprocessor.get("bgr_to_rgb", False)

    @property
    def _preprocessor(self) -> Mapping[str, Any]:
        preprocessor = self.model.get("data_preprocessor")
        return preprocessor if isinstance(preprocessor, Mapping) else {}


def read_blueprint(
    config: str,
    classes: int,
    dropout: float | None = None,
    class_weights: ClassWeights = None,
    plain_loss: bool = False,
) -> Blueprint:
    """Read a config and adapt its model.

    Args:
        config: Name of a config, or path of a `.py` file.
        classes: Number of classes, for every head.
        dropout: Dropout ratio before the classifier; None leaves the config's.
        class_weights: Weights in the cross entropies. The config's own are used where there are as many as
            classes.
        plain_loss: Whether a cross entropy over all pixels replaces one over hard pixels alone (OHEM).

    Raises:
        BenchError: There is no such config, or the config needs a package other than mmsegmentation.
    """
    make_mmseg_importable()
    from mmengine.config import Config

    path = find_config(config)
    try:
        content = Config.fromfile(str(path))
        model = content.get("model")
        model = model.to_dict() if hasattr(model, "to_dict") else model
    except Exception as error:  # a config is a program
        raise BenchError(f"mmsegmentation config {path} cannot be read: {first_line(error)}") from error
    if not isinstance(model, dict) or "decode_head" not in model:
        raise BenchError(f"mmsegmentation config {path} has no model with a decode_head")
    model = self_contained(model)
    foreign = next((name for name in _types(model) if name.startswith(FOREIGN)), None)
    if foreign is not None:
        package = foreign.partition(".")[0]
        raise BenchError(
            f"mmsegmentation config {path.stem} needs {package} ('{foreign}'): choose another config"
        )
    for head in _heads(model):
        _set_classes(head, classes, class_weights, plain_loss)
    if dropout is not None:
        last = model["decode_head"]
        (last[-1] if isinstance(last, list) else last)["dropout_ratio"] = dropout
    return Blueprint(path.stem, model)


def self_contained(node: Any) -> Any:
    """Copy a part of a config without links to pretrained weights and without batch norm over processes."""
    if isinstance(node, dict):
        kept = {key: self_contained(value) for key, value in node.items()}
        if "pretrained" in kept:
            kept["pretrained"] = None
        if kept.get("type") in ("SyncBN", "MMSyncBN", "SyncBatchNorm"):
            kept["type"] = "BN"
        initialisation = kept.get("init_cfg")
        if isinstance(initialisation, dict | list):
            kept["init_cfg"] = _without_links(initialisation)
        return kept
    if isinstance(node, list | tuple):
        return type(node)(self_contained(value) for value in node)
    return node


def _without_links(initialisation: Any) -> Any:
    if isinstance(initialisation, dict):
        return None if initialisation.get("type") == "Pretrained" else initialisation
    return [part for part in initialisation if part.get("type") != "Pretrained"] or None


def _set_classes(head: dict[str, Any], classes: int, class_weights: ClassWeights, plain_loss: bool) -> None:
    """Change a head in place: its number of classes and its losses."""
    head["num_classes"] = classes
    # One channel for two classes would need a threshold, not a softmax.
    head.pop("out_channels", None)
    losses = head.get("loss_decode")
    for loss in losses if isinstance(losses, list | tuple) else [losses]:
        if isinstance(loss, dict):
            _set_loss(loss, classes, class_weights, plain_loss)


def _set_loss(loss: dict[str, Any], classes: int, class_weights: ClassWeights, plain_loss: bool) -> None:
    loss_type = loss.get("type")
    sigmoid = bool(loss.get("use_sigmoid"))
    if class_weights == "config":
        own = loss.get("class_weight")
        loss["class_weight"] = own if isinstance(own, list | tuple) and len(own) == classes else None
    elif loss_type in WEIGHTED and not sigmoid:
        loss["class_weight"] = None if class_weights is None else list(class_weights)
    weighted = loss.get("class_weight") is not None
    # mmsegmentation's own cross entropy looks void up among the class weights, and fails.
    if (loss_type == "OhemCrossEntropy" and plain_loss) or (
        loss_type == "CrossEntropyLoss" and not sigmoid and (weighted or plain_loss)
    ):
        kept: dict[str, Any] = {
            key: loss[key] for key in ("class_weight", "loss_weight", "loss_name") if key in loss
        }
        loss.clear()
        loss.update(kept, type="PlainCrossEntropy")
    if not weighted:
        loss.pop("class_weight", None)


def _heads(model: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The heads of a model; a config may have several of a kind in a list."""
    for name in HEADS:
        heads = model.get(name)
        if isinstance(heads, dict):
            yield heads
        elif isinstance(heads, list | tuple):
            yield from (head for head in heads if isinstance(head, dict))


def _types(node: Any) -> Iterator[str]:
    """The registered types that a part of a config names, in any depth."""
    if isinstance(node, Mapping):
        if isinstance(node.get("type"), str):
            yield node["type"]
        for value in node.values():
            yield from _types(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _types(value)


def first_line(error: Exception) -> str:
    """The type and first line of an error that mmsegmentation raised, for a message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
