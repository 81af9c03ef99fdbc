"""Points of precision-recall and ROC curves from the bins of a histogram, in constant memory."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .brackets import Bins

GRID = 512
"""A point is kept for each step of 1 / GRID in recall or in the false-positive rate."""


class Curve(NamedTuple):
    """Points of the precision-recall and the ROC curve, from the highest threshold to the lowest.

    Every point is exact, since its threshold lies between two bins. There are n <= 2 GRID + 2 points.

    Attributes:
        recall: float64 (n,), the true-positive rate in the ROC curve.
        precision: float64 (n,).
        false_positive_rate: float64 (n,).
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]


def curve(chunks: Iterable[Bins], positives: int, negatives: int) -> Curve:
    """Compute the points of both curves; there are none where positives or negatives are missing.

    Args:
        chunks: the bins in pieces, highest scores first throughout.
        positives: number of positives in all bins.
        negatives: number of negatives in all bins.
    """
    points_kept = []
    hits = false_alarms = 0
    before = np.zeros((1, 2), np.int64)
    totals = np.array([positives, negatives], np.int64)
    for positive, negative, _ in chunks if positives and negatives else ():
        counts = np.stack([hits + np.cumsum(positive), false_alarms + np.cumsum(negative)], axis=1)
        hits, false_alarms = (int(count) for count in counts[-1])
        steps = np.concatenate([before, counts * GRID // totals])
        points_kept.append(counts[(steps[1:] != steps[:-1]).any(axis=1)])
        before = steps[-1:]
    points = np.concatenate(points_kept) if points_kept else np.zeros((0, 2), np.int64)
    recall, false_positive_rate = (points / totals.clip(1)).T
    return Curve(recall, points[:, 0] / points.sum(axis=1).clip(1), false_positive_rate)
