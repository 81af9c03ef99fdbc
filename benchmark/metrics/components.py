"""Metrics over connected components of anomalies: sIoU, PPV and F1.

Chan et al., "SegmentMeIfYouCan", NeurIPS Datasets and Benchmarks 2021, with the rules of their published
code: pixels of one mask that touch, corners included, are one component.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MIN_TRUE = 100
MIN_PREDICTED = 500
PUBLISHED_AREA = 1280 * 720
STEPS = range(5, 16)
"""The thresholds of sIoU and PPV, 0.25 to 0.75 by 0.05, in twentieths."""

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


class ComponentMetrics(NamedTuple):
    """Means over components; NaN where there is none to average over.

    Attributes:
        siou: over true components, of their sIoU.
        ppv: over predicted components, of the share that is anomalous.
        f1: over the thresholds of `STEPS`, of 2 TP / (2 TP + FN + FP): a true component counts as found
            where its sIoU reaches the threshold, a predicted one as false where its PPV does not.
        true, predicted: numbers of components.
    """

    siou: float
    ppv: float
    f1: float
    true: int
    predicted: int


@dataclass(frozen=True)
class Overlaps:
    """The components of one image, as whole numbers of pixels.

    Attributes:
        true: (n, 2), pixels of each true component that are predicted, and its pixels with those of the
            predicted components that touch it, less what these share with other true ones; their ratio is
            its sIoU.
        predicted: (m, 2), anomalous pixels and all pixels of each predicted one; their ratio is its PPV.
    """

    true: Counts
    predicted: Counts


def minimum_size(published: int, shape: tuple[int, ...]) -> float:
    """The size below which a component is left out.

    The published sizes are for images of 1280 x 720 and more. A smaller image shows its objects smaller, so
    the size shrinks with its area, to one pixel at the least.
    """
    return max(1.0, published * min(1.0, math.prod(shape) / PUBLISHED_AREA))


def overlaps(anomaly: Mask, flagged: Mask) -> Overlaps:
    """Compare the components of two masks.

    Predicted components that are too small are dropped, as if never predicted. True ones that are too small
    are void: their pixels count for nothing, in predicted components neither.

    Args:
        anomaly: bool (*spatial), true on scored anomalous pixels.
        flagged: bool (*spatial), the predicted ones; false where nothing is scored.
    """
    where = np.flatnonzero(anomaly | flagged)
    true, true_sizes = _components(anomaly, where)
    predicted, predicted_sizes = _components(flagged, where)
    large = true_sizes >= minimum_size(MIN_TRUE, anomaly.shape)
    scored = (true == 0) | large[true]
    rows = _renumber(large)[true[scored]]
    columns = _renumber(predicted_sizes >= minimum_size(MIN_PREDICTED, anomaly.shape))[predicted[scored]]
    height, width = int(rows.max(initial=0)) + 1, int(columns.max(initial=0)) + 1
    table = np.bincount(rows * width + columns, minlength=height * width).reshape(height, width)
    inside, sizes = table[1:, 1:], table[1:].sum(axis=1)
    # What of the predicted components that touch a true one lies in no true component.
    beside = (inside > 0) @ table[0, 1:]
    whole = table[:, 1:].sum(axis=0)
    present = whole > 0
    return Overlaps(
        np.stack([inside.sum(axis=1), sizes + beside], axis=1).astype(np.int64),
        np.stack([inside.sum(axis=0), whole], axis=1)[present].astype(np.int64),
    )


def summarize(found: Iterable[Overlaps]) -> ComponentMetrics:
    """The metrics over the components of all images together."""
    images = list(found)
    true = np.concatenate([each.true for each in images] or [np.zeros((0, 2), np.int64)])
    predicted = np.concatenate([each.predicted for each in images] or [np.zeros((0, 2), np.int64)])
    f1 = math.nan
    if len(true):
        f1 = math.fsum(_f1(true, predicted, step) for step in STEPS) / len(STEPS)
    return ComponentMetrics(_mean(true), _mean(predicted), f1, len(true), len(predicted))


def _components(mask: Mask, where: NDArray[np.intp]) -> tuple[NDArray[np.int64], Counts]:
    """The component of the pixels at `where`, from 1 (0: in none), and the sizes; that of "none" is 0."""
    labels, number = ndimage.label(mask, np.ones((3,) * mask.ndim, np.uint8))
    found = labels.ravel()[where].astype(np.int64)
    sizes = np.bincount(found, minlength=number + 1)
    sizes[0] = 0
    return found, sizes


def _renumber(kept: Mask) -> NDArray[np.int64]:
    """New numbers of the components that are kept, from 1; 0 for the others."""
    return np.where(kept, np.cumsum(kept), 0)


def _f1(true: Counts, predicted: Counts, step: int) -> float:
    """F1 at the threshold of so many twentieths; compared as whole numbers, so that ties are exact."""
    hits = int((20 * true[:, 0] >= step * true[:, 1]).sum())
    misses = len(true) - hits
    alarms = int((20 * predicted[:, 0] < step * predicted[:, 1]).sum())
    return 2 * hits / (2 * hits + misses + alarms)


def _mean(ratios: Counts) -> float:
    return math.fsum(ratios[:, 0] / ratios[:, 1]) / len(ratios) if len(ratios) else math.nan
