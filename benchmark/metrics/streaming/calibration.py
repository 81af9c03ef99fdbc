"""Expected calibration error: whether an estimated probability of being right is one."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 15


class CalibrationState:
    """Counts in bins of equal width, so that a data set needs no memory.

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017, Eq. 3, with its 15 bins.
    """

    def __init__(self, bins: int = BINS) -> None:
        if bins < 1:
            raise ValueError(f"expected at least one bin, got {bins}")
        self._count: NDArray[np.int64] = np.zeros(bins, np.int64)
        self._right: NDArray[np.int64] = np.zeros(bins, np.int64)
        self._confidence: NDArray[np.float64] = np.zeros(bins)

    def update(self, confidence: ArrayLike, right: ArrayLike) -> None:
        """Add pixels.

        Args:
            confidence: any shape, the estimated probability that the pixel is right.
            right: bool, the same shape.

        Raises:
            ValueError: the shapes differ, or a confidence is no probability.
        """
        probability = np.asarray(confidence, np.float64).ravel()
        truth = np.asarray(right, np.bool_).ravel()
        if probability.shape != truth.shape:
            raise ValueError(f"shapes differ: confidence {np.shape(confidence)}, right {np.shape(right)}")
        if not ((probability >= 0) & (probability <= 1)).all():
            raise ValueError("a confidence lies outside [0, 1]")
        bins = len(self._count)
        # Bins are open on the left; the first one holds 0 too.
        place = np.maximum(np.ceil(probability * bins).astype(np.intp) - 1, 0)
        self._count += np.bincount(place, minlength=bins)
        self._right += np.bincount(place[truth], minlength=bins)
        self._confidence += np.bincount(place, probability, minlength=bins)

    def compute(self) -> float:
        """Return the mean over pixels of |accuracy - confidence| of their bin, in [0, 1]; NaN without any."""
        total = int(self._count.sum())
        return float(np.abs(self._right - self._confidence).sum() / total) if total else float("nan")


def calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """The expected calibration error of one set of pixels; arguments as for `CalibrationState.update`.

    >>> calibration_error([0.9, 0.9, 0.9, 0.9], [True, True, True, False])
    0.15000000000000002
    """
    state = CalibrationState(bins)
    state.update(confidence, right)
    return state.compute()
