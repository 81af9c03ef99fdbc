"""Scores and ground truth -> metrics: one evaluator a task. The only place where the two meet."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..interfaces import VOID, DatasetInfo, Labels, Mask, Protocol, Sample, Scores, Task
from ..interfaces.errors import BenchError
from ..metrics import (
    CalibrationState,
    ComponentState,
    RankingState,
    RankingValues,
    RiskValues,
    bootstrap_interval,
    order,
    per_class_dice,
    per_class_iou,
    quality_risk,
    quality_table,
    risk,
)
from ..metrics.ordering import Ordering

Values = dict[str, float]

NO_ANOMALY = (
    "no test image holds both anomalous and other pixels",
    "check that --data is the whole tree, and its ids of anomalies",
)
NO_ERROR = (
    "no test image holds both wrong and right pixels",
    "a segmenter that is always wrong may be untrained, one that is never has nothing to detect",
)


@dataclass
class Evaluation:
    """The metrics of one method on one task, fractions, NaN where undefined.

    Attributes:
        metrics: aggregation ("per-image", "pooled", "per-class", "per-component") -> metric -> value.
        error_bounds: of the pooled metrics.
        intervals: 95% bootstrap over images, aggregation -> metric -> (low, high).
        per_class: metric -> class -> value.
        per_image: sample key -> metric -> value.
        facts: what else a reader of the metrics should know.
    """

    metrics: dict[str, Values]
    error_bounds: Values = field(default_factory=dict)
    intervals: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    per_class: dict[str, Values] = field(default_factory=dict)
    per_image: dict[str, Values] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


class Evaluator(ABC):
    """Collects the scores of one method on one task, sample by sample."""

    @abstractmethod
    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Add one sample.

        Args:
            prediction: int64 (*spatial), the labels whose errors are to be found.

        Raises:
            BenchError: the scores are missing, of another shape or not finite.
        """

    @abstractmethod
    def result(self) -> Evaluation:
        """The metrics of all samples so far.

        Raises:
            BenchError: nothing could be scored.
        """


class Spread:
    """The range of all scores: where it is one value, nothing is ranked."""

    def __init__(self) -> None:
        self._lowest, self._highest = math.inf, -math.inf

    def update(self, ordering: Ordering) -> None:
        """Add the scores of an image."""
        self._lowest = min(self._lowest, ordering.low)
        self._highest = max(self._highest, ordering.high)

    def check(self) -> None:
        """Refuse scores that are all equal.

        Raises:
            BenchError: they are.
        """
        if self._lowest == self._highest:
            raise BenchError(
                f"all scores are {self._lowest}, of every pixel of every image, so nothing is ranked: the "
                "method has learned nothing, or its maps were written wrongly"
            )


def make_evaluator(
    task: Task, info: DatasetInfo, protocol: Protocol, scratch: Path | None = None
) -> Evaluator:
    """The evaluator of a task. `scratch`: a folder for what it keeps until its result; None: the system's."""
    if task is Task.ANOMALY:
        return AnomalyEvaluator(scratch)
    if task is Task.PIXEL_FAILURE:
        return PixelFailureEvaluator()
    return ImageFailureEvaluator(info, protocol)


def anomalies(sample: Sample) -> tuple[Mask, Mask]:
    """Which pixels are anomalous, and which are scored.

    Raises:
        BenchError: the sample has no such mask.
    """
    truth = sample.truth
    if truth.anomaly is None:
        raise BenchError(
            f"sample '{sample.key}' has no anomaly mask, so anomaly segmentation cannot be scored"
        )
    return truth.anomaly, truth.valid


def errors(sample: Sample, prediction: Labels) -> tuple[Mask, Mask]:
    """Which pixels are predicted wrongly (Eq. 7), and which are scored."""
    label = sample.truth.label
    return prediction != label, sample.truth.valid & (label != VOID)


class AnomalyEvaluator(Evaluator):
    """FPR95, AUROC and AUPR of anomalous against other valid pixels (paper, Section 4.2).

    Beyond the paper: sIoU, PPV and F1 over components (SegmentMeIfYouCan), at the threshold that gives all
    test pixels together the best F1. It is found on test labels, as in that benchmark.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._state = RankingState()
        self._spread = Spread()
        self._scratch = scratch
        self._components = ComponentState(scratch)

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Rank the sample's valid pixels."""
        pixel, (positive, valid) = pixel_scores(sample, scores), anomalies(sample)
        ordering = order(pixel, positive, valid)
        self._spread.update(ordering)
        self._state.add(sample.key, ordering)
        with self._on_disk():
            self._components.update(sample.key, np.asarray(pixel, np.float32), positive, valid)

    def result(self) -> Evaluation:
        """Both aggregations, and those over components."""
        names = {"AUROC": "auroc", "AUPR": "ap", "FPR95": "fpr95"}
        found = ranking_result(self._state, names, NO_ANOMALY)
        self._spread.check()
        with self._on_disk():
            report = self._components.compute()
        metrics = report.metrics
        found.metrics["per-component"] = {"sIoU": metrics.siou, "PPV": metrics.ppv, "F1": metrics.f1}
        found.counts |= {"components": metrics.true, "predicted_components": metrics.predicted}
        found.facts["components"] = {
            "threshold": report.threshold,
            "pixel_F1": report.pixel_f1,
            "threshold_from": "the best F1 of all test pixels, among at most 254 candidates",
        }
        return found

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = self._scratch or "the system's folder for temporary files"
            raise BenchError(
                f"score maps cannot be kept in {where} ({error}): metrics over components need a byte and "
                "a bit for every pixel. Free space, or name another --workspace"
            ) from error


class PixelFailureEvaluator(Evaluator):
    """AP-Error, AP-Success, AUROC and FPR95 of wrong against right pixels (Eq. 7; Section 4.1).

    Beyond the paper: areas under risk-coverage curves and, where the method estimates a probability of being
    right, its calibration error.
    """

    RISKS: ClassVar = {"AURC": "aurc", "AUGRC": "augrc", "E-AURC": "e_aurc"}

    def __init__(self) -> None:
        self._state = RankingState(success=True)
        self._spread = Spread()
        self._risks: dict[str, RiskValues] = {}
        self._calibration: CalibrationState | None = CalibrationState()

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Rank the sample's labelled pixels; an error is a positive."""
        wrong, valid = errors(sample, prediction)
        ordering = order(pixel_scores(sample, scores), wrong, valid)
        self._spread.update(ordering)
        self._state.add(sample.key, ordering)
        self._risks[sample.key] = risk(ordering)
        if scores.confidence is None:
            self._calibration = None
        elif self._calibration is not None:
            self._calibration.update(pixel_confidence(sample, scores.confidence)[valid], ~wrong[valid])

    def result(self) -> Evaluation:
        """Both aggregations."""
        names = {"AP-Error": "ap", "AP-Success": "ap_success", "AUROC": "auroc", "FPR95": "fpr95"}
        found = ranking_result(self._state, names, NO_ERROR)
        self._spread.check()
        pooled = self._state.risk()
        images = {key: self._risks[key] for key in found.per_image}
        for name, attribute in self.RISKS.items():
            values = [float(getattr(each, attribute)) for each in images.values()]
            found.metrics["per-image"][name] = math.fsum(values) / len(values)
            found.metrics["pooled"][name] = float(getattr(pooled.value, attribute))
            found.error_bounds[name] = float(getattr(pooled.bound, attribute))
            for key, value in zip(images, values, strict=True):
                found.per_image[key][name] = value
        calibrated = self._calibration
        found.metrics["pooled"]["ECE"] = math.nan if calibrated is None else calibrated.compute()
        return found


class ImageFailureEvaluator(Evaluator):
    """MAE, STD, Pearson and Spearman of predicted against actual quality a class (Eq. 6; Section 4.1).

    Quality is IoU, in volumes Dice. The classes that the data set scores make the averages; in volumes the
    other structures have numbers too. Beyond the paper: the area under the risk-coverage curve over images.
    """

    METRICS: ClassVar = {"MAE": "mae", "STD": "std", "Pearson": "pearson", "Spearman": "spearman"}

    def __init__(self, info: DatasetInfo, protocol: Protocol) -> None:
        self._info = info
        self._protocol = protocol
        self._predicted: dict[str, npt.NDArray[np.float64]] = {}
        self._actual: dict[str, npt.NDArray[np.float64]] = {}

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Note the sample's predicted and actual quality."""
        quality, classes = scores.quality, len(self._info.classes)
        if quality is None or np.shape(quality) != (classes,) or not np.isfinite(quality).all():
            raise BenchError(
                f"sample '{sample.key}': the method must predict a finite IoU for each of "
                f"{classes} classes, got {quality!r}"
            )
        self._predicted[sample.key] = np.asarray(quality, np.float64)
        self._actual[sample.key] = self._quality(prediction, sample.truth.scored)

    def _quality(self, prediction: Labels, label: Labels) -> npt.NDArray[np.float64]:
        """(L,), NaN where a class does not count: in photographs the protocol says which do."""
        classes = len(self._info.classes)
        if self._info.ndim == 3:
            found = per_class_dice(prediction, label, classes, VOID)
            found[0] = math.nan
            return found
        return per_class_iou(prediction, label, classes, VOID, absent=self._protocol.value)

    def result(self) -> Evaluation:
        """Each metric per class over images, then averaged over the classes that the data set scores."""
        keys = sorted(self._actual)
        if not keys:
            raise BenchError("no test image was scored")
        predicted = np.stack([self._predicted[key] for key in keys])
        actual = np.stack([self._actual[key] for key in keys])
        info = self._info
        shown = [number for number in range(len(info.classes)) if info.ndim == 2 or number > 0]
        table = quality_table(predicted, actual)
        per_class = {
            name: {info.classes[n]: float(getattr(table, attribute)[n]) for n in shown}
            for name, attribute in self.METRICS.items()
        }
        risks = [quality_risk(predicted[:, n], actual[:, n]) for n in shown]
        per_class["AURC"] = {info.classes[n]: each.aurc for n, each in zip(shown, risks, strict=True)}
        counting = info.scored or info.classes
        overall = {name: _mean_defined(values[cls] for cls in counting) for name, values in per_class.items()}
        scored = [n for n in shown if info.classes[n] in counting]
        counts = {"images": len(keys), "classes_scored": int((table.images[scored] > 0).sum())}
        if info.ndim == 3:
            counts |= {f"without {info.classes[n]}": int(len(keys) - table.images[n]) for n in shown}
        return Evaluation(
            metrics={"per-class": overall},
            per_class=per_class,
            per_image={
                key: {f"predicted {info.classes[n]}": float(predicted[row, n]) for n in shown}
                | {f"actual {info.classes[n]}": float(actual[row, n]) for n in shown}
                for row, key in enumerate(keys)
            },
            counts=counts,
        )


def _mean_defined(values: Iterable[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan


def pixel_scores(sample: Sample, scores: Scores) -> npt.NDArray[np.float32]:
    """The score map of a sample, checked against its label.

    Raises:
        BenchError: it is missing, of another shape, or holds NaN on a valid pixel.
    """
    expected = sample.truth.valid.shape
    if scores.pixel is None:
        raise BenchError(f"sample '{sample.key}': the method gave no score map")
    if scores.pixel.shape != expected:
        raise BenchError(
            f"sample '{sample.key}': the score map has shape {scores.pixel.shape}, the label {expected}: "
            "resize it to the label's"
        )
    if np.isnan(scores.pixel[sample.truth.valid]).any():
        raise BenchError(
            f"sample '{sample.key}': the score map holds NaN: every pixel that counts needs a score, and an "
            "infinite one is allowed"
        )
    return scores.pixel


def pixel_confidence(sample: Sample, confidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The estimated probability of being right, checked.

    Raises:
        BenchError: it is of another shape than the label, or no probability on a valid pixel.
    """
    expected = sample.truth.valid.shape
    if confidence.shape != expected:
        raise BenchError(
            f"sample '{sample.key}': the confidence has shape {confidence.shape}, the label {expected}"
        )
    scored = confidence[sample.truth.valid]
    if not ((scored >= 0) & (scored <= 1)).all():
        raise BenchError(
            f"sample '{sample.key}': the confidence is no probability: a value is outside [0, 1]"
        )
    return confidence


def ranking_result(state: RankingState, names: dict[str, str], nothing: tuple[str, str]) -> Evaluation:
    """Both aggregations of a ranking state.

    Args:
        names: metric as in the tables -> attribute of `RankingValues`.
        nothing: what to say where no image counts, and the way out.
    """
    per_image, pooled = state.compute()
    if per_image.images == 0:
        keys = state.per_image().keys()
        which = f", from '{keys[0]}' to '{keys[-1]}'" if keys else ""
        what, way_out = nothing
        raise BenchError(
            f"{what}{which} ({pooled.positives} positive and {pooled.negatives} negative pixels in all): "
            f"{way_out}"
        )
    images = state.per_image().values()
    return Evaluation(
        metrics={"per-image": _named(names, per_image.value), "pooled": _named(names, pooled.value)},
        error_bounds=_named(names, pooled.bound),
        intervals={"per-image": {name: _interval(images.values(), attr) for name, attr in names.items()}},
        per_image={key: _named(names, values) for key, values in images.items()},
        counts={
            "images": per_image.images,
            "images_skipped": per_image.skipped,
            "positive_pixels": pooled.positives,
            "negative_pixels": pooled.negatives,
        },
    )


def _named(names: dict[str, str], values: RankingValues) -> Values:
    return {name: float(getattr(values, attribute)) for name, attribute in names.items()}


def _interval(images: Iterable[RankingValues], attribute: str) -> tuple[float, float]:
    low, high = bootstrap_interval([getattr(values, attribute) for values in images])
    return (low, high) if math.isfinite(low) else (math.nan, math.nan)
