"""The identity of a run: all that was asked for, and the key made of it that names the record's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import NonNegativeInt

from ..interfaces import Preset, Protocol, Task
from .json_types import Facts, Part
from .store import key_of


class Tuned(Part):
    """The request to choose options of the method on held-out data (`--tune-on`).

    Attributes:
        split: the split that the candidates are compared on, of the data set that is trained on.
        n_samples: number of samples in that split.
        samples_hash: a hash of the keys of those samples.
        options: option of the method (nested names joined by dots) -> the candidate values.
    """

    split: str
    n_samples: NonNegativeInt
    samples_hash: str
    options: Facts


class Identity(Part):
    """All that makes two runs different runs. Runs that differ in any field never share a row of a table.

    Attributes:
        variant: the label given by `--variant` to a copy of the data that differs from the official release;
            None for the release.
        dataset_revision: the release of the data set.
        samples_hash: a hash of the keys of the scored samples.
        train_dataset: the data set whose training split the segmenter learned from; usually `dataset` itself.
        segmenter_checkpoint: a hash of a foreign checkpoint; None where the benchmark trained the segmenter.
        segmenter_seed: the seed of the segmenter where all runs share one; None where the segmenter has the
            run's own seed.
        train_segmenter: the segmenter on whose predictions the method was fitted; None for `segmenter`.
        method_config: the full configuration of the method, defaults included.
        tuned: how options of `method_config` were chosen; None where all were given.
    """

    dataset: str
    variant: str | None = None
    dataset_revision: str
    samples_hash: str
    n_samples: NonNegativeInt
    train_dataset: str
    train_variant: str | None = None
    train_samples_hash: str
    n_train_samples: NonNegativeInt
    segmenter: str
    segmenter_config: Facts
    segmenter_checkpoint: str | None = None
    segmenter_seed: int | None = None
    train_segmenter: str | None = None
    train_segmenter_config: Facts | None = None
    train_segmenter_checkpoint: str | None = None
    method: str
    method_config: Facts
    task: Task
    protocol: Protocol
    preset: Preset
    precision: str
    seed: int
    tuned: Tuned | None = None

    @property
    def key(self) -> str:
        """16 hexadecimal digits that stand for what was asked for."""
        return key_of(self.asked)

    @property
    def asked(self) -> dict[str, Any]:
        """All fields, less the values of options that the run itself chose.

        `tuned` is left out where it is None: it is younger than the first records, whose keys must stay.
        """
        fields = self.model_dump(mode="json")
        if self.tuned is None:
            return {name: value for name, value in fields.items() if name != "tuned"}
        for option in self.tuned.options:
            fields["method_config"] = _without(fields["method_config"], option)
        return fields


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration without nesting: nested keys are joined by dots."""
    options: dict[str, Any] = {}
    for key, value in config.items():
        options |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return options


def _without(config: Mapping[str, Any], option: str) -> dict[str, Any]:
    """A configuration without one option, whose nested names are joined by dots."""
    first, _, rest = option.partition(".")
    return {
        name: _without(value, rest) if name == first else value
        for name, value in config.items()
        if name != first or rest
    }
