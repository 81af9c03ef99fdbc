"""Choosing options on held-out data (`--tune-on`), so that none is ever chosen on test labels."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..evaluation.by_task import make_evaluator
from ..evaluation.ground_truth import anomalous_pixels, wrong_pixels
from ..evaluation.score_checks import pixel_scores
from ..interfaces import DatasetInfo, Labels, Protocol, Sample, Scores, Task
from ..interfaces.errors import BenchError
from ..metrics import PerImageState
from ..storage.record_parts import Trial, Tuning
from .fitting import FittedJob, Fitting
from .inputs import config_facts
from .jobs import Candidate, Job
from .test_pass import TestPass


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


@dataclass(frozen=True)
class _Contestant:
    """One candidate of a job, fitted."""

    candidate: Candidate
    fitted: FittedJob
    criteria: Sequence[Criterion]


@dataclass(frozen=True)
class Tuned:
    """A job whose options were chosen. `tuning` says how, for the record."""

    fitted: FittedJob
    tuning: Tuning


def tune(fitting: Fitting, jobs: Sequence[Job]) -> list[Tuned | Exception]:
    """Choose the best candidate of every job, by one pass over the held-out split.

    Args:
        jobs: with candidates.

    Returns:
        For each job the choice, or the reason why there is none: a candidate that fails makes its job fail.
    """
    contests: list[list[_Contestant] | Exception] = [_contestants(fitting, job) for job in jobs]
    _judge(fitting, contests)
    outcomes: list[Tuned | Exception] = []
    for job, contest in zip(jobs, contests, strict=True):
        try:
            outcomes.append(contest if isinstance(contest, Exception) else choose(job, contest))
        except BenchError as error:
            outcomes.append(error)
    return outcomes


def _contestants(fitting: Fitting, job: Job) -> list[_Contestant] | Exception:
    """All candidates of a job, fitted; the error of the first that cannot be fitted."""
    info = fitting.group.train.dataset.info
    contestants = []
    for candidate in job.candidates:
        facts = config_facts(candidate.method.config, candidate.method.files())
        identity = job.identity.model_copy(update={"method_config": facts})
        alone = replace(job, method=candidate.method, identity=identity, candidates=())
        try:
            fitted = fitting.fit(alone)
        except Exception as error:  # whatever a plugin raises must not stop the others
            return error
        judged = criteria(identity.task, info, fitting.request.protocol)
        contestants.append(_Contestant(candidate, fitted, judged))
    return contestants


def _judge(fitting: Fitting, contests: list[list[_Contestant] | Exception]) -> None:
    """Let all contestants score the held-out split; the error of one takes the place of its contest."""
    contest_of = {
        id(contestant.fitted): (number, contestant)
        for number, contest in enumerate(contests)
        if not isinstance(contest, Exception)
        for contestant in contest
    }
    if not contest_of:
        return

    def fail(fitted: FittedJob, error: Exception) -> None:
        number, _ = contest_of[id(fitted)]
        contest = contests[number]
        if not isinstance(contest, Exception):
            contests[number] = error
            for contestant in contest:
                held_out.drop(contestant.fitted)

    jobs = [contestant.fitted for _, contestant in contest_of.values()]
    held_out = TestPass(fitting, fitting.group.train.validation, jobs, fail)
    for scored in held_out:
        for answer in scored.answers:
            number, contestant = contest_of[id(answer.job)]
            if isinstance(contests[number], Exception):
                continue
            try:
                for criterion in contestant.criteria:
                    criterion.update(scored.sample, scored.labels, answer.scores)
            except Exception as error:  # scores of a plugin may be of any kind
                fail(answer.job, error)


def choose(job: Job, contestants: Sequence[_Contestant]) -> Tuned:
    """The best contestant by the first criterion that the split can compute; of equally good ones the first.

    Raises:
        BenchError: the split can compute none.
    """
    tuned = job.identity.tuned
    assert tuned is not None
    for judges in zip(*(contestant.criteria for contestant in contestants), strict=True):
        values = [judge.value() for judge in judges]
        if not all(map(math.isnan, values)):
            break
    else:
        metrics = ", ".join(criterion.metric for criterion in contestants[0].criteria)
        raise BenchError(
            f"--tune-on {tuned.split}: {metrics} cannot be computed on the {tuned.n_samples} images of that "
            f"split, so {', '.join(tuned.options)} cannot be chosen on it: set it with --set instead"
        )
    judge = judges[0]
    best = max(range(len(values)), key=lambda row: _worth(judge.sign * values[row]))
    tuning = Tuning(
        chosen=dict(contestants[best].candidate.options),
        split=tuned.split,
        images=tuned.n_samples,
        metric=judge.metric,
        aggregation=judge.aggregation,
        reason=judge.reason,
        trials=tuple(
            Trial(options=dict(contestant.candidate.options), value=value)
            for contestant, value in zip(contestants, values, strict=True)
        ),
    )
    return Tuned(contestants[best].fitted, tuning)


def _worth(value: float) -> float:
    return -math.inf if math.isnan(value) else value
