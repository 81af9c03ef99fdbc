"""Expected calibration error: how far estimated probabilities of being right are from the accuracy."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 15


class CalibrationState:
    """Counts pixels by confidence, in bins of equal width; memory does not grow with the number of images.

    Args:
        bins: number of bins of [0, 1].

    Raises:
        ValueError: there is not at least one bin.

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017, Eq. 3, with the 15 bins of that
    paper.
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
            confidence: any shape, the estimated probability that the predicted class is right, in [0, 1].
            right: bool, the same shape, whether the predicted class is right.

        Raises:
            ValueError: the shapes differ, or a confidence lies outside [0, 1].
        """
        probability = np.asarray(confidence, np.float64).ravel()
        truth = np.asarray(right, np.bool_).ravel()
        if probability.shape != truth.shape:
            raise ValueError(f"shapes differ: confidence {np.shape(confidence)}, right {np.shape(right)}")
        if not ((probability >= 0) & (probability <= 1)).all():
            raise ValueError("a confidence lies outside [0, 1]")
        bins = len(self._count)
        # A bin excludes its lower and includes its upper end; the first bin includes 0, too.
        place = np.maximum(np.ceil(probability * bins).astype(np.intp) - 1, 0)
        self._count += np.bincount(place, minlength=bins)
        self._right += np.bincount(place[truth], minlength=bins)
        self._confidence += np.bincount(place, probability, minlength=bins)

    def compute(self) -> float:
        """Return the mean over pixels of |accuracy - confidence| in their bins; NaN without pixels."""
        total = int(self._count.sum())
        return float(np.abs(self._right - self._confidence).sum() / total) if total else float("nan")


def calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Compute the expected calibration error of one set of pixels.

    Arguments and errors are those of `CalibrationState` and its `update`.

    >>> calibration_error([0.9, 0.9, 0.9, 0.9], [True, True, True, False])
    0.15000000000000002
    """
    state = CalibrationState(bins)
    state.update(confidence, right)
    return state.compute()
