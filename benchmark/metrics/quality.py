"""Metrics of image-level failure detection: predicted against actual IoU or Dice."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NAN = float("nan")
Values = NDArray[np.float64]


class QualityMetrics(NamedTuple):
    """Averages over classes. MAE and STD are fractions, correlations lie in [-1, 1]; NaN where undefined."""

    mae: float
    std: float
    pearson: float
    spearman: float


class QualityTable(NamedTuple):
    """The metrics of each class, float64 (L,), and the number of images where it counts, int64 (L,)."""

    mae: Values
    std: Values
    pearson: Values
    spearman: Values
    images: NDArray[np.int64]


def quality_metrics(predicted: ArrayLike, actual: ArrayLike) -> QualityMetrics:
    """Compute each metric per class over images, then average over the classes where the metric is defined.

    Arguments and errors are those of `quality_table`.

    Source: SynthCP, Section 4.1 (Table 1, image level; Table 2 with one class).
    """
    table = quality_table(predicted, actual)
    return QualityMetrics(*(mean_over_classes(column.tolist()) for column in table[:4]))


def mean_over_classes(values: Iterable[float]) -> float:
    """Return the mean of a metric over the classes where it is defined; NaN where it is defined for none.

    Args:
        values: one value for each class, NaN where undefined.
    """
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else _NAN


def quality_table(predicted: ArrayLike, actual: ArrayLike) -> QualityTable:
    """Compare predicted with actual qualities, for each class over images.

    - MAE and STD: mean and standard deviation (ddof 0) of the absolute error.
    - Pearson and Spearman: NaN with fewer than two images, or where either side is constant.

    Args:
        predicted: (N, L) fractions, or (N,) for one class. A NaN in an image where the class counts is a
            missing prediction and makes all metrics of that class NaN, since leaving the image out would
            reward a method for not answering.
        actual: the same shape; NaN = the class does not count in that image.

    Raises:
        ValueError: the shapes differ or have another number of dimensions.
    """
    forecast, truth = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    if forecast.shape != truth.shape or forecast.ndim not in (1, 2):
        raise ValueError(f"expected two arrays (N, L) or (N,), got {forecast.shape} and {truth.shape}")
    if forecast.ndim == 1:
        forecast, truth = forecast[:, None], truth[:, None]
    classes = truth.shape[1]
    table = np.full((4, classes), _NAN)
    images = np.count_nonzero(~np.isnan(truth), axis=0).astype(np.int64)
    for index in range(classes):
        counts = ~np.isnan(truth[:, index])
        table[:, index] = _one_class(forecast[counts, index], truth[counts, index])
    return QualityTable(table[0], table[1], table[2], table[3], images)


def _one_class(predicted: Values, actual: Values) -> tuple[float, float, float, float]:
    if not actual.size or not np.isfinite(predicted).all() or not np.isfinite(actual).all():
        return _NAN, _NAN, _NAN, _NAN
    error = np.abs(predicted - actual)
    spearman = _pearson(_midranks(predicted), _midranks(actual))
    return float(error.mean()), float(error.std()), _pearson(predicted, actual), spearman


def _pearson(first: Values, second: Values) -> float:
    # Compare values, not deviations: the mean of equal floats need not equal them, and the rounding error
    # would pass for variation.
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return _NAN
    first, second = first - first.mean(), second - second.mean()
    norms = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if 0 in norms:
        return _NAN
    return float(np.clip((first / norms[0]) @ (second / norms[1]), -1, 1))


def _midranks(values: Values) -> Values:
    """Return ranks from 1; equal values share the mean of their ranks."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (np.cumsum(sizes) - (sizes - 1) / 2)[inverse]
    return ranks
