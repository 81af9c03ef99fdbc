"""Precision-recall and ROC curves from the bins of a histogram, in constant memory."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .brackets import Bins

GRID = 512
"""A point is kept for each step of 1 / GRID in recall or in the false-positive rate."""


class Curve(NamedTuple):
    """Points (n,) of both curves, from the highest threshold to the lowest; at most 2 GRID + 2 of them.

    Each is exact: a threshold between two bins. The true-positive rate of the ROC curve is `recall`.
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]


def curve(chunks: Iterable[Bins], positives: int, negatives: int) -> Curve:
    """Follow the bins from the highest scores down.

    Args:
        chunks: the bins in pieces, highest scores first throughout.
        positives, negatives: totals over all bins; no points where either is 0.
    """
    kept = []
    hits = alarms = 0
    before = np.zeros((1, 2), np.int64)
    totals = np.array([positives, negatives], np.int64)
    for positive, negative, _ in chunks if positives and negatives else ():
        counts = np.stack([hits + np.cumsum(positive), alarms + np.cumsum(negative)], axis=1)
        hits, alarms = (int(count) for count in counts[-1])
        steps = np.concatenate([before, counts * GRID // totals])
        kept.append(counts[(steps[1:] != steps[:-1]).any(axis=1)])
        before = steps[-1:]
    points = np.concatenate(kept) if kept else np.zeros((0, 2), np.int64)
    recall, false = (points / totals.clip(1)).T
    return Curve(recall, points[:, 0] / points.sum(axis=1).clip(1), false)
