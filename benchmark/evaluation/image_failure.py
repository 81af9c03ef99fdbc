"""The evaluator of image-level failure detection."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..interfaces import VOID, DatasetInfo, Labels, Protocol, Sample, Scores
from ..interfaces.errors import BenchError
from ..metrics import (
    QualityTable,
    mean_over_classes,
    per_class_dice,
    per_class_iou,
    quality_risk,
    quality_table,
)
from .evaluator import Evaluation, Evaluator, Values, named_values
from .metric_catalogue import IMAGE_FAILURE_METRICS
from .score_checks import predicted_quality

Qualities = npt.NDArray[np.float64]


class ImageFailureEvaluator(Evaluator):
    """Compares the predicted with the actual quality of each class (SynthCP, Eq. 6, Section 4.1).

    The quality of a class is its IoU in an image, its Dice in a volume. A metric is computed for each class
    over images and then averaged over the classes that the data set scores. In volumes the other structures
    have values too, which do not count in the average; the background has none.

    Beyond the paper: the area under the risk-coverage curve over images.
    """

    def __init__(self, info: DatasetInfo, protocol: Protocol, scratch: Path | None = None) -> None:
        super().__init__(info, protocol, scratch)
        self._predicted: dict[str, Qualities] = {}
        self._actual: dict[str, Qualities] = {}

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Keep the predicted and the actual quality of each class in the sample."""
        self._predicted[sample.key] = predicted_quality(sample, scores, len(self._info.classes))
        self._actual[sample.key] = self._actual_quality(prediction, sample.truth.scored)

    def result(self) -> Evaluation:
        """Compute each metric per class over images, and its mean over the classes that are scored."""
        keys = sorted(self._actual)
        if not keys:
            raise BenchError("no test image was scored")
        predicted = np.stack([self._predicted[key] for key in keys])
        actual = np.stack([self._actual[key] for key in keys])
        table = quality_table(predicted, actual)
        numbers = self._class_numbers()
        by_class = {name: _class_values(table, predicted, actual, n) for name, n in numbers.items()}
        per_class = {
            metric.name: {name: values[metric.name] for name, values in by_class.items()}
            for metric in IMAGE_FAILURE_METRICS
        }
        scored = [name for name in numbers if name in (self._info.scored or self._info.classes)]
        means = {
            metric: mean_over_classes(values[name] for name in scored) for metric, values in per_class.items()
        }
        images = {name: int(table.images[n]) for name, n in numbers.items()}
        return Evaluation(
            metrics={"per-class": means},
            per_class=per_class,
            per_image={
                key: {predicted_key(name): float(predicted[row, n]) for name, n in numbers.items()}
                | {actual_key(name): float(actual[row, n]) for name, n in numbers.items()}
                for row, key in enumerate(keys)
            },
            counts={"images": len(keys), "classes_scored": sum(images[name] > 0 for name in scored)},
            images_without={name: len(keys) - count for name, count in images.items()}
            if self._info.ndim == 3
            else {},
        )

    def _actual_quality(self, prediction: Labels, label: Labels) -> Qualities:
        """The quality of each class, float64 (L,); NaN where the class does not count in the sample."""
        classes = len(self._info.classes)
        if self._info.ndim == 3:
            dice = per_class_dice(prediction, label, classes, VOID)
            dice[0] = math.nan
            return dice
        return per_class_iou(prediction, label, classes, VOID, absent=self._protocol.value)

    def _class_numbers(self) -> dict[str, int]:
        """Name -> number of the classes that have metrics: in volumes all but the background."""
        first = 1 if self._info.ndim == 3 else 0
        return {name: number for number, name in enumerate(self._info.classes) if number >= first}


def _class_values(table: QualityTable, predicted: Qualities, actual: Qualities, number: int) -> Values:
    """The metrics of one class over all images.

    Args:
        table: the errors and correlations of all classes.
        predicted: float64 (N, L), the predicted quality of each class in each image.
        actual: float64 (N, L), the actual quality; NaN where the class does not count.
        number: of the class.
    """
    fields = {field: float(column[number]) for field, column in table._asdict().items()}
    fields |= quality_risk(predicted[:, number], actual[:, number])._asdict()
    return named_values(IMAGE_FAILURE_METRICS, "per-class", fields)


def predicted_key(cls: str) -> str:
    """The name under which a record's `per_image` holds the predicted quality of a class."""
    return f"predicted {cls}"


def actual_key(cls: str) -> str:
    """The name under which a record's `per_image` holds the actual quality of a class."""
    return f"actual {cls}"
