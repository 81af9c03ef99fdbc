"""The interface of an evaluator, and the evaluation that an evaluator returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..interfaces import DatasetInfo, Labels, Protocol, Sample, Scores
from ..storage.record_parts import ComponentThreshold
from .metric_catalogue import Metric

Values = dict[str, float]
"""Metric name -> value, a fraction; NaN where undefined."""


@dataclass
class Evaluation:
    """The metrics of one method on one task, as fractions; NaN where undefined.

    A record has a field of the same name for every attribute.

    Attributes:
        metrics: aggregation (see `Metric.aggregations`) -> metric -> value.
        error_bounds: metric -> how far its pooled value may be from the exact value.
        intervals: aggregation -> metric -> 95% bootstrap interval (low, high) over images.
        per_class: metric -> class -> value.
        per_image: sample key -> metric -> value.
        counts: the numbers of images, pixels, components or classes behind the metrics.
        images_without: class -> number of volumes that lack the class, so that the class has no Dice there;
            empty for photographs.
        components: the threshold of the metrics over components; None for tasks without such metrics.
    """

    metrics: dict[str, Values]
    error_bounds: Values = field(default_factory=dict)
    intervals: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    per_class: dict[str, Values] = field(default_factory=dict)
    per_image: dict[str, Values] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    images_without: dict[str, int] = field(default_factory=dict)
    components: ComponentThreshold | None = None


class Evaluator(ABC):
    """Collects the scores of one method on one task, sample by sample, and computes the metrics of the task.

    Args:
        info: the data set whose samples are evaluated.
        protocol: decides which classes count in an image.
        scratch: a folder for temporary files, which are gone when the evaluator is; None for the system's.
    """

    def __init__(self, info: DatasetInfo, protocol: Protocol, scratch: Path | None = None) -> None:
        self._info = info
        self._protocol = protocol
        self._scratch = scratch

    @abstractmethod
    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Add one sample.

        Args:
            sample: an image or volume with its ground truth.
            prediction: int64 (*spatial), the segmenter's predicted classes.
            scores: what the method returned for the sample.

        Raises:
            BenchError: the scores are missing, have another shape than the ground truth, or are not numbers.
        """

    @abstractmethod
    def result(self) -> Evaluation:
        """Compute the metrics of all samples that were added.

        Raises:
            BenchError: no sample could be scored, or the scores rank nothing.
        """


def named_values(metrics: Sequence[Metric], aggregation: str, fields: Mapping[str, float]) -> Values:
    """Put the names of the catalogue to the fields that a metric function returned.

    Args:
        metrics: the metrics of a task.
        aggregation: how `fields` were averaged; metrics without this aggregation are left out.
        fields: field -> value, such as `RankingValues._asdict()`; metrics of other fields are left out.
    """
    return {
        metric.name: float(fields[metric.field])
        for metric in metrics
        if aggregation in metric.aggregations and metric.field in fields
    }
