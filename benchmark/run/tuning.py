"""Choosing options on held-out data (`--tune-on`), so that none is ever chosen on test labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..evaluation.tuning_criteria import Criterion, best_of, criteria
from ..interfaces.errors import BenchError
from ..planning.inputs import config_facts
from ..planning.jobs import Candidate, Job
from ..storage.record_parts import Trial, Tuning
from .fitting import FittedJob, Fitting
from .test_pass import Cost, TestPass


@dataclass(frozen=True)
class _Contestant:
    """One candidate of a job, fitted."""

    candidate: Candidate
    fitted: FittedJob
    criteria: Sequence[Criterion]


@dataclass(frozen=True)
class TunedJob:
    """A job whose options were chosen. `tuning` says how, for the record."""

    fitted: FittedJob
    tuning: Tuning


def tune(fitting: Fitting, jobs: Sequence[Job]) -> list[TunedJob | Exception]:
    """Choose the best candidate of every job, by one pass over the held-out split.

    Args:
        jobs: with candidates.

    Returns:
        For each job the choice, or the reason why there is none: a candidate that fails makes its job fail.
    """
    contests: list[list[_Contestant] | Exception] = [_contestants(fitting, job) for job in jobs]
    _judge(fitting, contests)
    outcomes: list[TunedJob | Exception] = []
    for job, contest in zip(jobs, contests, strict=True):
        try:
            outcomes.append(contest if isinstance(contest, Exception) else _choose(job, contest))
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

    def fail(fitted: FittedJob, error: Exception, cost: Cost) -> None:
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
            number, contestant = contest_of[id(answer.fitted)]
            if isinstance(contests[number], Exception):
                continue
            try:
                for criterion in contestant.criteria:
                    criterion.update(scored.sample, scored.labels, answer.scores)
            except Exception as error:  # scores of a plugin may be of any kind
                fail(answer.fitted, error, held_out.costs[id(answer.fitted)])


def _choose(job: Job, contestants: Sequence[_Contestant]) -> TunedJob:
    """The best contestant, with the reason for the record.

    Raises:
        BenchError: the split can compute no criterion.
    """
    tuned = job.identity.tuned
    assert tuned is not None
    outcome = best_of([contestant.criteria for contestant in contestants])
    if outcome is None:
        metrics = ", ".join(criterion.metric for criterion in contestants[0].criteria)
        raise BenchError(
            f"--tune-on {tuned.split}: {metrics} cannot be computed on the {tuned.n_samples} images of that "
            f"split, so {', '.join(tuned.options)} cannot be chosen on it: set it with --set instead"
        )
    best, values, criterion = outcome
    tuning = Tuning(
        chosen=dict(contestants[best].candidate.options),
        split=tuned.split,
        images=tuned.n_samples,
        metric=criterion.metric,
        aggregation=criterion.aggregation,
        reason=criterion.reason,
        trials=tuple(
            Trial(options=dict(contestant.candidate.options), value=value)
            for contestant, value in zip(contestants, values, strict=True)
        ),
    )
    return TunedJob(contestants[best].fitted, tuning)
