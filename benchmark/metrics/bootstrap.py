"""Confidence intervals of means over images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_DRAWS_AT_ONCE = 1 << 22


class Interval(NamedTuple):
    """The two ends of a confidence interval; NaN where undefined."""

    low: float
    high: float


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> Interval:
    """Return the percentile bootstrap interval of the mean over images.

    Args:
        values: (N,), one value for each image. NaN = the image does not count; where no image counts, the
            interval is NaN.
        confidence: the probability that the interval should cover, in (0, 1).
        samples: number of resampled data sets.
        seed: of the random resampling; the same seed gives the same interval.

    Raises:
        ValueError: values are not one-dimensional, confidence or samples are out of range.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), Section 13.3.
    """
    images = np.asarray(values, np.float64)
    if images.ndim != 1:
        raise ValueError(f"expected one value an image, shape (N,), got {images.shape}")
    if not 0 < confidence < 1 or samples < 1:
        raise ValueError(f"expected 0 < confidence < 1 and samples >= 1, got {confidence} and {samples}")
    images = images[~np.isnan(images)]
    if not images.size:
        return Interval(float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // images.size)
    means = np.concatenate(
        [
            images[generator.integers(images.size, size=(min(rows, samples - done), images.size))].mean(
                axis=1
            )
            for done in range(0, samples, rows)
        ]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))
