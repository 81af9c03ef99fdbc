"""The evaluator of anomaly segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..interfaces import DatasetInfo, Labels, Protocol, Sample, Scores
from ..interfaces.errors import BenchError
from ..metrics import ComponentState, order
from ..storage.record_parts import ComponentThreshold
from .evaluator import Evaluation, Evaluator, named_values
from .ground_truth import anomalous_pixels
from .metric_catalogue import ANOMALY_METRICS
from .ranking_summary import NothingScored, new_ranking, summarize_ranking
from .score_checks import ScoreRange, pixel_scores

NO_ANOMALY = NothingScored(
    "no test image holds both anomalous and other pixels",
    "check that --data names the complete dataset folder, and that its ids of anomalous classes are right",
)
THRESHOLD_FROM = "the best F1 of all test pixels, among at most 254 candidates"


class AnomalyEvaluator(Evaluator):
    """Judges how well scores rank anomalous pixels above the other valid pixels (SynthCP, Section 4.2).

    Beyond the paper: metrics over connected components (SegmentMeIfYouCan), at the threshold that gives all
    test pixels together the best F1. As in that benchmark, the threshold is found on test labels.
    """

    def __init__(self, info: DatasetInfo, protocol: Protocol, scratch: Path | None = None) -> None:
        super().__init__(info, protocol, scratch)
        self._ranking = new_ranking(ANOMALY_METRICS)
        self._anomalous_not_valid = 0
        self._range = ScoreRange()
        self._components = ComponentState(scratch)

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Rank the sample's valid pixels, and keep the score map for the metrics over components."""
        score_map = pixel_scores(sample, scores)
        anomalous, valid = anomalous_pixels(sample)
        self._anomalous_not_valid += int(np.count_nonzero(anomalous & ~valid))
        ordering = order(score_map, anomalous, valid)
        self._range.update(ordering)
        self._ranking.add(sample.key, ordering)
        with self._writing():
            self._components.update(sample.key, np.asarray(score_map, np.float32), anomalous, valid)

    def result(self) -> Evaluation:
        """Compute per-image means, pooled values and means over components."""
        evaluation = summarize_ranking(self._ranking, ANOMALY_METRICS, self._nothing_scored())
        self._range.check()
        with self._writing():
            report = self._components.compute()
        over_components = report.metrics
        evaluation.metrics["per-component"] = named_values(
            ANOMALY_METRICS, "per-component", over_components._asdict()
        )
        evaluation.counts |= {
            "components": over_components.true,
            "predicted_components": over_components.predicted,
        }
        evaluation.components = ComponentThreshold(
            threshold=report.threshold, pixel_F1=report.pixel_f1, threshold_from=THRESHOLD_FROM
        )
        return evaluation

    def _nothing_scored(self) -> NothingScored:
        """The message for a test split without an image that counts, by its most likely cause."""
        if not self._anomalous_not_valid:
            return NO_ANOMALY
        remedy = (
            f"{self._anomalous_not_valid} anomalous pixels are not `valid`: unknown objects must stay valid. "
            "Correct `Truth.valid` in the data set's reader"
        )
        return NothingScored(NO_ANOMALY.problem, remedy)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say what to do where the disk that keeps the score maps fails."""
        try:
            yield
        except OSError as error:
            folder = self._scratch or "the system's folder for temporary files"
            raise BenchError(
                f"score maps cannot be kept in {folder} ({error}): metrics over components need a byte and "
                "a bit for every pixel. Free space, or name another --workspace"
            ) from error
