"""The run of one group: its methods tuned and fitted, the test split scored, records written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..data.sample_form import fault_of_form
from ..evaluation.by_task import make_evaluator
from ..evaluation.evaluator import Evaluation, Evaluator
from ..interfaces import VOID
from ..interfaces.errors import BenchError
from ..metrics import ConfusionState
from ..planning.jobs import Group, Job
from ..planning.request import Request
from ..storage.identity import Identity
from ..storage.record import Record
from ..storage.record_parts import SegmenterQuality, Tuning
from .background_evaluation import BackgroundEvaluation
from .fitting import FittedJob, Fitting
from .job_records import failure_of, job_record, note_comparison, save_failure
from .test_pass import Cost, TestPass
from .tuning import tune

BACKLOG = {2: 16, 3: 1}
"""Dimensions -> updates of metrics that may wait while the segmenter goes on; each update holds an image."""


@dataclass(frozen=True)
class JobResult:
    """What became of a job.

    Attributes:
        state: "to run" in a dry run only; "cached" where an earlier record was taken.
        reason: why the job was skipped or failed.
        record: the file of the record; None where no record could be written.
        options: option -> value, of the options by which jobs of one method differ.
        chosen: option -> value, of the options that were chosen on held-out data.
        has_traceback: whether the record holds the traceback of an error that was not foreseen.
    """

    identity: Identity
    state: Literal["to run", "cached", "skipped", "ok", "failed"]
    reason: str | None = None
    record: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    has_traceback: bool = False


@dataclass(frozen=True)
class _Judged:
    """A job that has scored the test split, with its evaluator and its costs."""

    fitted: FittedJob
    evaluator: Evaluator
    cost: Cost
    metric_seconds: float
    runs_in_pass: int


class GroupRun:
    """One group: its segmenter, and one pass over the test split for all its waiting jobs."""

    def __init__(self, request: Request, group: Group, fitting: Fitting) -> None:
        self.request = request
        self.group = group
        self.fitting = fitting
        self._results: dict[str, JobResult] = {}
        self._tunings: dict[str, Tuning] = {}
        self._chosen: dict[str, Job] = {}
        self._confusion: ConfusionState | None = None
        info = group.data.dataset.info
        if group.train.dataset.info.classes == info.classes and info.classes:
            self._confusion = ConfusionState(len(info.classes), VOID)

    def run(self) -> list[JobResult]:
        """Run the waiting jobs; write a record for every job that is not cached.

        Returns:
            The result of every job, in the plan's order.
        """
        if self.group.waiting:
            try:
                self._check_form()
                self.fitting.segmenter()
                self._score(self._test_pass())
            except Exception as error:  # each job fails with the error of what they share
                for job in self._open():
                    self._fail(self._chosen.get(job.identity.key, job), error)
        for job in self.group.jobs:
            if not job.waiting:
                self._results[job.identity.key] = self._without_run(job)
        return [self._results[job.identity.key] for job in self.group.jobs]

    def _check_form(self) -> None:
        """Check the first sample of each data set, before a network is trained on a malformed one.

        Raises:
            BenchError: the sample has another type or other axes than its data set declares.
        """
        data, train = self.group.data, self.group.train
        samples = {data.entry.name: (data, data.test)}
        if train is not data:
            samples[train.entry.name] = (train, train.train)
        for name, (prepared, split) in samples.items():
            fault = fault_of_form(split[0], prepared.dataset.info) if split else None
            if fault is not None:
                raise BenchError(f"{prepared.dataset.root}: {fault}. `bench check {name}` checks the reader")

    def _without_run(self, job: Job) -> JobResult:
        """The result of a job that is cached or skipped."""
        if job.cached is not None:
            note_comparison(job, job.cached)
            return JobResult(job.identity, "cached", None, job.cached, job.swept)
        record = job_record(self.fitting, job, "skipped", reason=job.skipped)
        file = record.save(self.request.record_folder)
        return JobResult(job.identity, "skipped", job.skipped, file, job.swept)

    def _open(self) -> list[Job]:
        """The waiting jobs that have no result yet."""
        return [job for job in self.group.waiting if job.identity.key not in self._results]

    def _test_pass(self) -> TestPass:
        """The pass of all jobs that can score; those that cannot have failed."""
        tuned = self._tuned()
        fitted = []
        for job in self._open():
            try:
                fitted.append(tuned[job.identity.key] if job.candidates else self.fitting.fit(job))
            except Exception as error:  # whatever a plugin raises must not stop the others
                self._fail(job, error)
        self.fitting.release_folds()
        return TestPass(self.fitting, self.group.data.test, fitted, self._fail_in_pass)

    def _tuned(self) -> dict[str, FittedJob]:
        """The jobs whose options were chosen on held-out data, by their keys."""
        jobs = [job for job in self.group.waiting if job.candidates]
        if not jobs:
            return {}
        start = time.perf_counter()
        chosen = {}
        for job, choice in zip(jobs, tune(self.fitting, jobs), strict=True):
            if isinstance(choice, Exception):
                self._fail(job, choice)
            else:
                chosen[job.identity.key] = choice.fitted
                self._tunings[job.identity.key] = choice.tuning
                self._chosen[job.identity.key] = choice.fitted.job
        self.fitting.timings["tune"] = time.perf_counter() - start
        return chosen

    def _score(self, test: TestPass) -> None:
        """One pass over the test split; scores meet ground truth in the evaluators alone."""
        if not test.jobs:
            return
        info, protocol = self.group.data.dataset.info, self.request.protocol
        scratch, runs = self.fitting.artifacts.store.scratch, len(test.jobs)
        evaluators = {
            id(fitted): make_evaluator(fitted.method.task, info, protocol, scratch) for fitted in test.jobs
        }

        def refuse(fitted: FittedJob, error: Exception) -> None:
            test.drop(fitted)
            self._fail_in_pass(fitted, error, test.costs[id(fitted)])

        start = time.perf_counter()
        with BackgroundEvaluation(evaluators, BACKLOG[info.ndim], refuse) as evaluation:
            for scored in test:
                self.fitting.timings["predict"] = test.predict_seconds
                if self._confusion is not None:
                    truth = scored.sample.truth.scored
                    self._confusion.update(scored.sample.key, scored.labels, truth)
                evaluation.add(scored)
                if not test.jobs:
                    break
        self.fitting.timings["pass"] = time.perf_counter() - start
        for fitted in test.jobs:
            cost, seconds = test.costs[id(fitted)], evaluation.seconds[id(fitted)]
            self._finish(_Judged(fitted, evaluators[id(fitted)], cost, seconds, runs))

    def _finish(self, judged: _Judged) -> None:
        """Write the record of a job that has scored the whole test split."""
        job = judged.fitted.job
        try:
            try:
                evaluation = judged.evaluator.result()
            except BenchError as error:
                raise BenchError(f"{self.group.data.dataset.root}: {error}") from error
            record = self._finished_record(judged, evaluation)
            file = record.save(self.request.record_folder)
        except Exception as error:  # an evaluator must not stop the others
            self._fail_in_pass(judged.fitted, error, judged.cost)
        else:
            chosen = record.tuning.chosen if record.tuning else {}
            result = JobResult(record.identity, "ok", None, file, job.swept, chosen)
            self._results[job.identity.key] = result

    def _finished_record(self, judged: _Judged, evaluation: Evaluation) -> Record:
        fitted = judged.fitted
        return job_record(
            self.fitting,
            fitted.job,
            "ok",
            tuning=self._tunings.get(fitted.job.identity.key),
            weights=fitted.weights,
            timings=fitted.timings | {"score": judged.cost.seconds, "metrics": judged.metric_seconds},
            runs_in_pass=judged.runs_in_pass,
            segmenter_quality=self._segmenter_quality(),
            peak_device_bytes=judged.cost.device_bytes,
            **vars(evaluation),
        )

    def _segmenter_quality(self) -> SegmenterQuality | None:
        """How well the segmenter did on the test split; None where its classes are not the data set's."""
        if self._confusion is None:
            return None
        names = self.group.data.dataset.info.classes
        iou = dict(zip(names, map(float, self._confusion.per_class()), strict=True))
        return SegmenterQuality(mIoU=self._confusion.compute(), IoU=iou)

    def _fail_in_pass(self, fitted: FittedJob, error: Exception, cost: Cost) -> None:
        """Fail a job that was fitted."""
        facts = {"weights": fitted.weights, "peak_device_bytes": cost.device_bytes}
        self._fail(fitted.job, error, timings=fitted.timings, **facts)

    def _fail(self, job: Job, error: Exception, **facts: Any) -> None:
        """Give a job the state "failed", once, and write a record that says why.

        Args:
            facts: other arguments of `job_record`.
        """
        if job.identity.key in self._results:
            return
        failure = failure_of(error, self._packages(job))
        facts |= {"reason": failure.reason, "traceback": failure.traceback}
        tuning = self._tunings.get(job.identity.key)
        record = job_record(self.fitting, job, "failed", tuning=tuning, **facts)
        file, remark = save_failure(record, self.request.record_folder)
        self._results[job.identity.key] = JobResult(
            job.identity,
            "failed",
            failure.reason + remark,
            file,
            job.swept,
            has_traceback=file is not None and failure.traceback is not None,
        )

    def _packages(self, job: Job) -> set[str]:
        """The top-level packages of the plugins that a job is made of, built-in ones left out."""
        plugins = (type(job.method), type(self.group.segmenter.model), type(self.group.data.dataset))
        return {plugin.__module__.partition(".")[0] for plugin in plugins} - {"segalarm"}
