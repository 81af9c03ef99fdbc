"""What a record tells about its numbers: choices of options, the segmenter, the threshold of components."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, JsonValue, NonNegativeInt
from pydantic_core import to_jsonable_python

from .json_types import Facts, Part, Value, Values


class Trial(Part):
    """One candidate of a choice on held-out data. `value`: of the metric that candidates are compared by."""

    options: Facts
    value: Value


class Tuning(Part):
    """How the values of options were chosen on held-out data.

    Attributes:
        chosen: option -> the value that was chosen.
        split: the held-out split.
        images: number of images in that split.
        metric: the metric that the candidates were compared by.
        aggregation: the aggregation of that metric.
        reason: why this metric stood in for the task's own; None where the task's own was used.
        trials: all candidates.
    """

    chosen: Facts
    split: str
    images: NonNegativeInt
    metric: str
    aggregation: str
    reason: str | None = None
    trials: tuple[Trial, ...]


class Compared(Part):
    """Values that were compared on the reported split: to report the best alone is a choice on its labels.

    Attributes:
        split: the split that the values were compared on.
        options: option (nested names joined by dots) -> the values.
    """

    split: str
    options: Annotated[dict[str, list[JsonValue]], BeforeValidator(to_jsonable_python)]


class SegmenterQuality(Part):
    """How well the segmenter itself did on the scored images.

    Attributes:
        mIoU: intersection over union, the mean over classes that occur.
        IoU: class -> intersection over union, NaN for a class that is neither present nor predicted.
    """

    mIoU: Value
    IoU: Values


class ComponentThreshold(Part):
    """The threshold at which the metrics over connected components (sIoU, PPV, F1) were computed.

    Attributes:
        threshold: a pixel is predicted anomalous where its score reaches the threshold.
        pixel_F1: F1 of all test pixels together at the threshold, a fraction.
        threshold_from: how the threshold was chosen, in words.
    """

    threshold: Value
    pixel_F1: Value
    threshold_from: str
