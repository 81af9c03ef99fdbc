"""The metrics by which candidates for an option are compared on held-out data."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..interfaces import DatasetInfo, Labels, Protocol, Sample, Scores, Task
from ..metrics import PerImageState
from .by_task import make_evaluator
from .ground_truth import anomalous_pixels, wrong_pixels
from .score_checks import pixel_scores


class Criterion(ABC):
    """The metric that candidates are compared by, on one split.

    Attributes:
        metric, aggregation: as in a record.
        sign: 1 where higher is better, else -1.
        reason: why this metric is used, where it is not the task's own.
    """

    metric: str
    aggregation = "per-image"
    sign = 1
    reason: str | None = None

    @abstractmethod
    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Add a sample."""

    @abstractmethod
    def value(self) -> float:
        """The metric over all samples; NaN where the split has nothing to compute the metric from."""


class AveragePrecision(Criterion):
    """Average precision of anomalies (AUPR) or of errors (AP-Error) in each image, then the mean over images.

    The mean over images is used whatever a table prints: a few numbers an image suffice, for any number of
    candidates.
    """

    def __init__(self, metric: str, reason: str | None = None) -> None:
        self.metric = metric
        self.reason = reason
        self._state = PerImageState()

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Rank the sample's pixels."""
        if self.metric == "AUPR" and sample.truth.anomaly is None:
            return
        masks = anomalous_pixels(sample) if self.metric == "AUPR" else wrong_pixels(sample, prediction)
        self._state.update(sample.key, pixel_scores(sample, scores), *masks)

    def value(self) -> float:
        """The mean; NaN where no image holds both kinds of pixel."""
        return self._state.compute().value.ap


class QualityError(Criterion):
    """The mean absolute error of the predicted quality of each class, then the mean over classes."""

    metric, aggregation, sign = "MAE", "per-class", -1

    def __init__(self, info: DatasetInfo, protocol: Protocol) -> None:
        self._evaluator = make_evaluator(Task.IMAGE_FAILURE, info, protocol)

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Note the predicted and the actual quality."""
        self._evaluator.update(sample, prediction, scores)

    def value(self) -> float:
        """The mean; NaN where no class occurs."""
        return self._evaluator.result().metrics["per-class"]["MAE"]


def criteria(task: Task, info: DatasetInfo, protocol: Protocol) -> list[Criterion]:
    """The metrics to compare candidates by, best first; the first that the split can compute counts.

    Held-out data seldom holds anomalies: StreetHazards' has none. The pixels that a segmenter gets wrong
    there stand in for the objects that the segmenter has never seen.
    """
    if task is Task.IMAGE_FAILURE:
        return [QualityError(info, protocol)]
    if task is Task.PIXEL_FAILURE:
        return [AveragePrecision("AP-Error")]
    return [AveragePrecision("AUPR"), AveragePrecision("AP-Error", "the split holds no anomalous pixel")]


def best_of(candidates: Sequence[Sequence[Criterion]]) -> tuple[int, list[float], Criterion] | None:
    """The best candidate by the first criterion that the split can compute; of equally good ones the first.

    Args:
        candidates: the criteria of each candidate, after all samples; alike for all candidates.

    Returns:
        The number of the best candidate, the values of all, and the criterion; None where the split can
        compute no criterion.
    """
    for judges in zip(*candidates, strict=True):
        values = [judge.value() for judge in judges]
        if not all(map(math.isnan, values)):
            sign = judges[0].sign
            best = max(range(len(values)), key=lambda row: _worth(sign * values[row]))
            return best, values, judges[0]
    return None


def _worth(value: float) -> float:
    return -math.inf if math.isnan(value) else value
