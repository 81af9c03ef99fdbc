"""Alarms of one map: it scores pixels, and its mean over a predicted structure the structure's quality."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ...benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    FitOn,
    Item,
    Method,
    Pairs,
    Prediction,
    Preset,
    Protocol,
    Scores,
    Task,
)
from .regression import Array, Linear, fit_linear, observed

Aggregator = Literal["structure", "image"]
"""Over what a map is averaged: the voxels of each predicted class, or all, one number for every class."""


def aggregated(values: Tensor, labels: Tensor, classes: int, aggregator: Aggregator) -> Array:
    """One number a class of a map.

    Args:
        values: float32 (*spatial).
        labels: int64 (*spatial), the prediction.

    Returns:
        float64 (classes,), NaN for a class that is not predicted.
    """
    where, flat = labels.flatten(), values.flatten().double()
    count = torch.bincount(where, minlength=classes)
    total = torch.bincount(where, weights=flat, minlength=classes)
    mean = total / count if aggregator == "structure" else flat.mean().where(count > 0, torch.nan)
    found: Array = mean.cpu().numpy()
    return found


def mean_confidence(confidence: Tensor, labels: Tensor, classes: int, aggregator: Aggregator) -> Array:
    """A quality without training: of each class the mean confidence that its voxels (pixels) are right.

    Args: as `aggregated`.

    Returns:
        float64 (classes,) in [0, 1]; 0 for a class that is not predicted, as it is wherever the label has it.
    """
    return np.nan_to_num(aggregated(confidence, labels, classes, aggregator), nan=0.0)


class StructureConfig(Config):
    """Hyper-parameters.

    Attributes:
        aggregator: over what the map is averaged for the quality of a class.
        absent: which classes have a quality to learn, see `per_class_quality`.
    """

    aggregator: Aggregator = "structure"
    absent: Literal["official", "paper"] = "official"


class StructureRegression(Method):
    """Score a pixel by a map; a class by a line from the map's mean over its pixels to its quality.

    A class that is not predicted has no such number; its quality is 0 wherever it counts, and needs no line.
    Nothing is learned for tasks of pixels.
    """

    Config = StructureConfig
    config: StructureConfig
    _to_quality: Linear

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The protocol says which classes have a quality to learn."""
        return {"absent": protocol.value}

    @abstractmethod
    def map(self, prediction: Prediction) -> Tensor:
        """float32 (*spatial), higher = more likely wrong."""

    def numbers(self, prediction: Prediction, context: Context) -> Array:
        """The numbers of an image's classes, float64 (L,), NaN where one is not predicted."""
        classes = len(context.info.classes)
        return aggregated(self.map(prediction), prediction.labels, classes, self.config.aggregator)

    def observed(self, pairs: Pairs, context: Context) -> tuple[Array, Array]:
        """The numbers of the classes of all training images, and their quality, float64 (N, L) both."""
        title = f"{type(self).__name__.lower()}: maps of training images"
        return observed(pairs, lambda found: self.numbers(found, context), self.config.absent, title, context)

    def fit_on(self) -> FitOn | None:
        """A predictor of failure needs real failures."""
        return FitOn.out_of_fold(self.needs()) if self.task is Task.IMAGE_FAILURE else None

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Regress."""
        numbers, quality = self.observed(pairs, context)
        missing = np.isnan(numbers)
        counts = (~missing).sum(axis=0).clip(1)
        mean = np.where(missing, 0, numbers).sum(axis=0) / counts
        quality = np.where(missing, np.nan, quality)
        background = context.info.ndim == 3
        numbers = np.where(missing, mean, numbers)
        self._to_quality = fit_linear(numbers, quality, own=True, background=background)

    def save(self, folder: Path) -> None:
        """The lines."""
        self._to_quality.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the lines."""
        self._to_quality = Linear.load(folder)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Give the map, or follow the lines."""
        found = [item.prediction for item in batch]
        if self.task is Task.IMAGE_FAILURE:
            return [Scores(quality=self._quality(self.numbers(prediction, context))) for prediction in found]
        return [Scores(pixel=self.map(prediction).cpu().numpy()) for prediction in found]

    def _quality(self, numbers: Array) -> Array:
        missing = np.isnan(numbers)
        return np.where(missing, 0, self._to_quality(np.where(missing, 0, numbers)))
