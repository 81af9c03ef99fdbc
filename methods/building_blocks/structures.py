"""Scores of pixels as a quality of classes: the mean over the predicted structure, and a regression from it.

The structure of a class is the set of pixels (voxels) of that predicted class.
"""

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
from .regression import Array, Linear, features_and_quality, fit_linear

Aggregator = Literal["structure", "image"]
"""The pixels over which a map is averaged for a class: those of the predicted class, or the whole image."""


def aggregated(values: Tensor, labels: Tensor, classes: int, aggregator: Aggregator) -> Array:
    """The mean of a map for each predicted class.

    Args:
        values: float32 (*spatial).
        labels: int64 (*spatial), the prediction.
        classes: number of classes L.
        aggregator: "structure" for the mean over the pixels of the class; "image" for the mean over all
            pixels, the same for every predicted class.

    Returns:
        float64 (L,), NaN for a class that is not predicted.
    """
    flat_labels, flat = labels.flatten(), values.flatten().double()
    count = torch.bincount(flat_labels, minlength=classes)
    total = torch.bincount(flat_labels, weights=flat, minlength=classes)
    mean = total / count if aggregator == "structure" else flat.mean().where(count > 0, torch.nan)
    means: Array = mean.cpu().numpy()
    return means


def mean_confidence(confidence: Tensor, labels: Tensor, classes: int, aggregator: Aggregator) -> Array:
    """A quality without training: the mean confidence for each predicted class.

    Args:
        confidence: float32 (*spatial) in [0, 1].
        labels: int64 (*spatial), the prediction.
        classes: number of classes L.
        aggregator: as in `aggregated`.

    Returns:
        float64 (L,) in [0, 1]. A class that is not predicted gets 0, which is its true quality wherever the
        ground truth has the class.
    """
    return np.nan_to_num(aggregated(confidence, labels, classes, aggregator), nan=0.0)


class StructureConfig(Config):
    """Hyper-parameters of `StructureRegression`.

    Attributes:
        aggregator: the pixels over which the map is averaged for the quality of a class.
        absent: the classes that have a quality to learn, see `per_class_quality`.
    """

    aggregator: Aggregator = "structure"
    absent: Literal["official", "paper"] = "official"


class StructureRegression(Method):
    """The score of a pixel is the value of a map; the quality of a class is regressed from the map's mean.

    A subclass gives the map. The regression is one line per class, from the mean of the map over the class to
    the quality of the class. A class that is not predicted has no mean; its quality is 0 wherever it counts,
    and needs no line. Tasks of pixels learn nothing.
    """

    Config = StructureConfig
    config: StructureConfig
    _to_quality: Linear

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The classes that have a quality to learn, by protocol."""
        return {"absent": protocol.value}

    @abstractmethod
    def map(self, prediction: Prediction) -> Tensor:
        """The map, float32 (*spatial), higher = more likely wrong."""

    def class_numbers(self, prediction: Prediction, context: Context) -> Array:
        """The number of each class that its quality is regressed from, float64 (L,).

        By default the mean of the map. NaN for a class that is not predicted.
        """
        classes = len(context.info.classes)
        return aggregated(self.map(prediction), prediction.labels, classes, self.config.aggregator)

    def training_numbers(self, pairs: Pairs, context: Context) -> tuple[Array, Array]:
        """The numbers of the classes of all N training images, and their qualities, float64 (N, L) each."""
        title = f"{type(self).__name__.lower()}: maps of training images"
        return features_and_quality(
            pairs,
            lambda prediction: self.class_numbers(prediction, context),
            self.config.absent,
            title,
            context,
        )

    def fit_on(self) -> FitOn | None:
        """For qualities, out-of-fold predictions: who learns from failures needs them as on new images."""
        return FitOn.out_of_fold(self.needs()) if self.task is Task.IMAGE_FAILURE else None

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Fit a line per class."""
        numbers, quality = self.training_numbers(pairs, context)
        missing = np.isnan(numbers)
        counts = (~missing).sum(axis=0).clip(1)
        mean = np.where(missing, 0, numbers).sum(axis=0) / counts
        quality = np.where(missing, np.nan, quality)
        background = context.info.ndim == 3
        numbers = np.where(missing, mean, numbers)
        self._to_quality = fit_linear(numbers, quality, own=True, background=background)

    def save(self, folder: Path) -> None:
        """Write the lines."""
        self._to_quality.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the lines."""
        self._to_quality = Linear.load(folder)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Give the map, or the quality on the line of each class."""
        predictions = [item.prediction for item in batch]
        if self.task is Task.IMAGE_FAILURE:
            numbers = [self.class_numbers(prediction, context) for prediction in predictions]
            return [Scores(quality=self._quality(one)) for one in numbers]
        return [Scores(pixel=self.map(prediction).cpu().numpy()) for prediction in predictions]

    def _quality(self, numbers: Array) -> Array:
        missing = np.isnan(numbers)
        return np.where(missing, 0, self._to_quality(np.where(missing, 0, numbers)))
