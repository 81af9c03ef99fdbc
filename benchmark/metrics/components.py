"""Metrics over connected components of anomalies: sIoU, PPV and F1.

The definitions are those of Chan et al., "SegmentMeIfYouCan", NeurIPS Datasets and Benchmarks 2021, with the
rules of the published code: pixels of one mask that touch, corners included, form one component.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MIN_TRUE = 100
"""The size in pixels below which a true component is left out, in an image of `PUBLISHED_AREA` or more."""
MIN_PREDICTED = 500
"""The size in pixels below which a predicted component is left out, in an image of that area or more."""
PUBLISHED_AREA = 1280 * 720
STEPS = range(5, 16)
"""The thresholds of sIoU and PPV, 0.25 to 0.75 by 0.05, in twentieths."""

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


class ComponentMetrics(NamedTuple):
    """Means over components, fractions; NaN where there is no component to average over.

    Attributes:
        siou: mean sIoU of the true components.
        ppv: mean share of anomalous pixels in the predicted components (positive predictive value).
        f1: mean of 2 TP / (2 TP + FN + FP) over the thresholds of `STEPS`. A true component is a hit (TP)
            where its sIoU reaches the threshold, else a miss (FN); a predicted component is a false alarm
            (FP) where its PPV is below the threshold.
        true: number of true components.
        predicted: number of predicted components.
    """

    siou: float
    ppv: float
    f1: float
    true: int
    predicted: int


@dataclass(frozen=True)
class Overlaps:
    """The components of one image: numerator and denominator of each sIoU and PPV, in pixels.

    Attributes:
        true: int64 (n, 2), a row for each true component, whose sIoU is the ratio of the two columns. The
            first column counts the component's pixels that are predicted. The second column counts the
            component's pixels and those pixels of the predicted components overlapping it that lie in no
            true component.
        predicted: int64 (m, 2), a row for each predicted component, whose PPV is the ratio of the two
            columns: the anomalous pixels, and all pixels.
    """

    true: Counts
    predicted: Counts


def minimum_size(published: int, shape: tuple[int, ...]) -> float:
    """Return the size in pixels below which a component is left out.

    The published sizes are made for images of 1280 x 720 pixels and more. A smaller image shows its objects
    smaller, so the size shrinks in proportion to the area of the image, down to one pixel.

    Args:
        published: `MIN_TRUE` or `MIN_PREDICTED`.
        shape: of the image.
    """
    return max(1.0, published * min(1.0, math.prod(shape) / PUBLISHED_AREA))


def overlaps(anomaly: Mask, flagged: Mask) -> Overlaps:
    """Compare the true with the predicted components of one image.

    Predicted components that are too small are dropped, as if never predicted. True components that are too
    small are void: their pixels count nowhere, not even in the predicted components that cover them.

    Args:
        anomaly: bool (*spatial), true on scored anomalous pixels.
        flagged: bool (*spatial), true on scored pixels that are predicted anomalous.
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
    # The pixels of the predicted components overlapping a true component that lie in no true component.
    beside = (inside > 0) @ table[0, 1:]
    whole = table[:, 1:].sum(axis=0)
    present = whole > 0
    return Overlaps(
        np.stack([inside.sum(axis=1), sizes + beside], axis=1).astype(np.int64),
        np.stack([inside.sum(axis=0), whole], axis=1)[present].astype(np.int64),
    )


def summarize(images: Iterable[Overlaps]) -> ComponentMetrics:
    """Compute the metrics over the components of all images together."""
    no_rows = np.zeros((0, 2), np.int64)
    pairs = [(image.true, image.predicted) for image in images]
    true = np.concatenate([no_rows, *(true for true, _ in pairs)])
    predicted = np.concatenate([no_rows, *(predicted for _, predicted in pairs)])
    f1 = math.nan
    if len(true):
        f1 = math.fsum(_f1(true, predicted, step) for step in STEPS) / len(STEPS)
    return ComponentMetrics(_mean(true), _mean(predicted), f1, len(true), len(predicted))


def _components(mask: Mask, where: NDArray[np.intp]) -> tuple[NDArray[np.int64], Counts]:
    """Number the components of a mask from 1; 0 stands for "in no component".

    Returns:
        The component of each pixel at the flat indices `where`, and the size of each component; the size of
        "no component" is 0.
    """
    labels, number = ndimage.label(mask, np.ones((3,) * mask.ndim, np.uint8))
    component = labels.ravel()[where].astype(np.int64)
    sizes = np.bincount(component, minlength=number + 1)
    sizes[0] = 0
    return component, sizes


def _renumber(kept: Mask) -> NDArray[np.int64]:
    """Return new numbers from 1 for the components that are kept, and 0 for the others."""
    return np.where(kept, np.cumsum(kept), 0)


def _f1(true: Counts, predicted: Counts, step: int) -> float:
    """Return F1 at the threshold `step` / 20; whole numbers are compared, so that ties are exact."""
    hits = int((20 * true[:, 0] >= step * true[:, 1]).sum())
    misses = len(true) - hits
    alarms = int((20 * predicted[:, 0] < step * predicted[:, 1]).sum())
    return 2 * hits / (2 * hits + misses + alarms)


def _mean(ratios: Counts) -> float:
    return math.fsum(ratios[:, 0] / ratios[:, 1]) / len(ratios) if len(ratios) else math.nan
