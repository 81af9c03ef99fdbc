"""The quality of each predicted structure, regressed from one number of it.

Where a method gives a map, the number is the map's mean over the voxels (pixels) of the predicted class.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from segalarm.benchmark.interfaces import Context, FitOn, Item, Method, Pairs, Scores
from segalarm.methods.regression import Array, Linear, fit_linear
from torch import Tensor

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


class StructureRegression(Method):
    """A line a class, from one number of the predicted structure to its quality.

    A structure that is not predicted has no number; its quality is 0 wherever it counts, and needs no line.
    """

    _to_quality: Linear

    @abstractmethod
    def observed(self, pairs: Pairs, context: Context) -> tuple[Array, Array]:
        """The numbers of the structures of all training images, NaN where not predicted, and their quality.

        Returns:
            float64 (N, L) both.
        """

    @abstractmethod
    def numbers(self, item: Item, context: Context) -> Array:
        """The numbers of an image's structures, float64 (L,)."""

    def fit_on(self) -> FitOn:
        """A predictor of failure needs real failures."""
        return FitOn.OUT_OF_FOLD

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Regress."""
        numbers, quality = self.observed(pairs, context)
        missing = np.isnan(numbers)
        counts = (~missing).sum(axis=0).clip(1)
        mean = np.where(missing, 0, numbers).sum(axis=0) / counts
        quality = np.where(missing, np.nan, quality)
        self._to_quality = fit_linear(np.where(missing, mean, numbers), quality, own=True)

    def save(self, folder: Path) -> None:
        """The lines."""
        self._to_quality.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the lines."""
        self._to_quality = Linear.load(folder)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Follow the lines."""
        return [Scores(quality=self._quality(self.numbers(item, context))) for item in batch]

    def _quality(self, numbers: Array) -> Array:
        missing = np.isnan(numbers)
        return np.where(missing, 0, self._to_quality(np.where(missing, 0, numbers)))
