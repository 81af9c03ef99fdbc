"""The evaluator of pixel-level failure detection."""

from __future__ import annotations

import math
from pathlib import Path

from ..interfaces import DatasetInfo, Labels, Protocol, Sample, Scores
from ..metrics import CalibrationState, RiskValues, order, risk
from .evaluator import Evaluation, Evaluator, named_values
from .ground_truth import wrong_pixels
from .metric_catalogue import PIXEL_FAILURE_METRICS
from .ranking_summary import NothingScored, new_ranking, summarize_ranking
from .score_checks import ScoreRange, pixel_confidence, pixel_scores

NO_ERROR = NothingScored(
    "no test image holds both wrong and right pixels",
    "a segmenter that is always wrong may be untrained, and one that is never wrong leaves no failure to "
    "detect",
)


class PixelFailureEvaluator(Evaluator):
    """Judges how well scores rank wrongly predicted pixels above right ones (SynthCP, Eq. 7, Section 4.1).

    Beyond the paper: areas under risk-coverage curves and, where the method estimates the probability that a
    pixel is right, the calibration error of that probability.
    """

    def __init__(self, info: DatasetInfo, protocol: Protocol, scratch: Path | None = None) -> None:
        super().__init__(info, protocol, scratch)
        self._ranking = new_ranking(PIXEL_FAILURE_METRICS)
        self._range = ScoreRange()
        self._risks: dict[str, RiskValues] = {}
        # None as soon as a sample comes without estimated probabilities.
        self._calibration: CalibrationState | None = CalibrationState()

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Rank the sample's labelled pixels; wrong pixels are the positive ones."""
        wrong, valid = wrong_pixels(sample, prediction)
        ordering = order(pixel_scores(sample, scores), wrong, valid)
        self._range.update(ordering)
        self._ranking.add(sample.key, ordering)
        self._risks[sample.key] = risk(ordering)
        if scores.confidence is None:
            self._calibration = None
        elif self._calibration is not None:
            confidence = pixel_confidence(sample, scores.confidence)
            self._calibration.update(confidence[valid], ~wrong[valid])

    def result(self) -> Evaluation:
        """Compute per-image means and pooled values."""
        evaluation = summarize_ranking(self._ranking, PIXEL_FAILURE_METRICS, NO_ERROR)
        self._range.check()
        self._add_risks(evaluation)
        error = math.nan if self._calibration is None else self._calibration.compute()
        evaluation.metrics["pooled"] |= named_values(PIXEL_FAILURE_METRICS, "pooled", {"ece": error})
        return evaluation

    def _add_risks(self, evaluation: Evaluation) -> None:
        """Add the areas under risk-coverage curves, per image for the images whose ranking counts."""
        risks = {key: self._risks[key] for key in evaluation.per_image}
        for key, values in risks.items():
            evaluation.per_image[key] |= named_values(PIXEL_FAILURE_METRICS, "per-image", values._asdict())
        means = RiskValues(*(math.fsum(column) / len(risks) for column in zip(*risks.values(), strict=True)))
        pooled = self._ranking.risk()
        for aggregation, values in (("per-image", means), ("pooled", pooled.value)):
            evaluation.metrics[aggregation] |= named_values(
                PIXEL_FAILURE_METRICS, aggregation, values._asdict()
            )
        evaluation.error_bounds |= named_values(PIXEL_FAILURE_METRICS, "pooled", pooled.bound._asdict())
