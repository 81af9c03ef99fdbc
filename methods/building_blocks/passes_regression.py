"""Qualities regressed from stochastic passes, by MCDropout, Jungo et al. and Kwon et al.

The passes over the training images are costly. They are made once, and their numbers serve all three methods.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from ...benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    Needs,
    Pairs,
    Prediction,
    Preset,
    Protocol,
)
from ...benchmark.interfaces.errors import BenchError
from .regression import Array, features_and_quality
from .stochastic_passes import CLASS_NUMBERS, NO_LOGITS, UNCERTAINTY_MAPS
from .structures import StructureConfig, StructureRegression

FILE = "passes.npz"
VOLUME_PASSES = {Preset.FULL: 50, Preset.SMALL: 20, Preset.SMOKE: 4}


class PassesConfig(Config):
    """The hyper-parameters that the stored numbers and qualities of training images depend on.

    Attributes:
        passes: number of stochastic passes per image.
        absent: the classes that have a quality to learn, see `per_class_quality`.
    """

    passes: int = Field(default=50, ge=2)
    absent: Literal["official", "paper"] = "official"


def passes_defaults(preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
    """The published number of passes; fewer in volumes below `full`, since a pass covers the whole volume."""
    passes = {"passes": VOLUME_PASSES[preset]} if dataset.ndim == 3 else {}
    return {"absent": protocol.value, **passes}


def write_training_numbers(pairs: Pairs, config: PassesConfig, folder: Path, context: Context) -> None:
    """Write all `CLASS_NUMBERS` and the quality of N training images, float64 (N, L) each, to `FILE`."""
    names: list[str] = []

    def numbers_of(prediction: Prediction) -> Array:
        passes = prediction.monte_carlo[config.passes]
        names[:] = [
            name for name in CLASS_NUMBERS if passes.logits is not None or not name.startswith("logits")
        ]
        return np.stack([CLASS_NUMBERS[name](passes, prediction.labels) for name in names])

    features, quality = features_and_quality(pairs, numbers_of, config.absent, "stochastic passes", context)
    named: dict[str, Any] = {name: features[:, row] for row, name in enumerate(names)}
    np.savez(folder / FILE, **named, quality=quality)


def stored_training_numbers(
    config: PassesConfig, pairs: Pairs, context: Context
) -> Callable[[str], tuple[Array, Array]]:
    """Read what `write_training_numbers` wrote, after writing it if needed, once for all methods and seeds.

    Returns:
        A function from a name of `CLASS_NUMBERS` to the numbers and the quality of all N training images,
        float64 (N, L) each. It raises a BenchError if logits are asked for, and the passes have none.
    """
    plain = PassesConfig(**config.model_dump(include=set(PassesConfig.model_fields)))
    build = partial(write_training_numbers, pairs, plain)
    folder = context.artifact("passes", plain, build, inputs=[pairs.key])

    def read(name: str) -> tuple[Array, Array]:
        with np.load(folder / FILE) as stored:
            if name not in stored:
                raise BenchError(NO_LOGITS)
            return stored[name], stored["quality"]

    return read


class PassesRegressionConfig(PassesConfig, StructureConfig):
    """Hyper-parameters of a method that regresses qualities from passes; see the two base classes."""


class PassesRegression(StructureRegression):
    """The score of a pixel is an uncertainty over stochastic passes.

    The quality of a class is regressed from the mean of the uncertainty over the class. A subclass names the
    uncertainty.
    """

    Config = PassesRegressionConfig
    config: PassesRegressionConfig
    uncertainty_map: ClassVar[str]
    """The uncertainty, a key of `UNCERTAINTY_MAPS`."""

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The number of passes, and the classes that have a quality to learn."""
        return passes_defaults(preset, protocol, dataset)

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def map(self, prediction: Prediction) -> Tensor:
        """The uncertainty of each pixel (voxel), float32 (*spatial)."""
        passes = prediction.monte_carlo[self.config.passes]
        return UNCERTAINTY_MAPS[self.uncertainty_map](passes, prediction.labels)

    def training_numbers(self, pairs: Pairs, context: Context) -> tuple[Array, Array]:
        """The stored numbers, which all methods on passes share."""
        numbers_of = stored_training_numbers(self.config, pairs, context)
        return numbers_of(f"{self.uncertainty_map} of {self.config.aggregator}")
