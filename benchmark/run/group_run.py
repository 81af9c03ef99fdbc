"""The run of one group: its methods tuned and fitted, the test split scored, records written."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from ..evaluation.by_task import make_evaluator
from ..evaluation.evaluator import Evaluation, Evaluator
from ..interfaces import VOID, Labels, Sample, Scores
from ..interfaces.errors import BenchError
from ..metrics import ConfusionState
from ..storage.environment import peak_memory, provenance, supplier
from ..storage.identity import Identity
from ..storage.record import Record
from ..storage.record_parts import Compared, SegmenterQuality, Tuning
from .fitting import FittedJob, Fitting
from .jobs import Group, Job
from .request import Request
from .test_pass import Cost, TestPass
from .tuning import tune

BACKLOG = {2: 16, 3: 1}
"""Dimensions -> updates of metrics that may wait while the segmenter goes on; each update holds an image."""
LESS_MEMORY = (
    "Choose a smaller --preset, or a smaller batch_size or crop with --set; what was finished is kept, and "
    "unfinished training goes on from its last checkpoint where its options stay the same"
)


@dataclass(frozen=True)
class JobResult:
    """What became of a job.

    Attributes:
        state: "to run" in a dry run only; "cached" where an earlier record was taken.
        reason: why the job was skipped or failed.
        record: the file of the record; None where no record could be written.
    """

    identity: Identity
    state: Literal["to run", "cached", "skipped", "ok", "failed"]
    reason: str | None = None
    record: Path | None = None


@dataclass
class _Judged:
    """A job in the test pass, with the evaluator of its scores and what both cost."""

    fitted: FittedJob
    evaluator: Evaluator
    cost: Cost
    metric_seconds: float = 0.0


class GroupRun:
    """One group: its segmenter, and one pass over the test split for all its waiting jobs."""

    def __init__(self, request: Request, group: Group, fitting: Fitting) -> None:
        self.request = request
        self.group = group
        self.fitting = fitting
        self._results: dict[str, JobResult] = {}
        self._tunings: dict[str, Tuning] = {}
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
                self.fitting.segmenter()
                fitted = self._fitted()
                self.fitting.release_folds()
                if fitted:
                    self._score(fitted)
            except Exception as error:  # each job fails with the error of what they share
                for job in self._open():
                    self._fail(job, error)
        for job in self.group.jobs:
            if job.cached is not None:
                note_comparison(job, job.cached)
                self._results[job.identity.key] = JobResult(job.identity, "cached", None, job.cached)
            elif job.skipped is not None:
                file = self._record(job, "skipped", reason=job.skipped).save(self.request.record_folder)
                self._results[job.identity.key] = JobResult(job.identity, "skipped", job.skipped, file)
        return [self._results[job.identity.key] for job in self.group.jobs]

    def _open(self) -> list[Job]:
        """The waiting jobs that have no result yet."""
        return [job for job in self.group.waiting if job.identity.key not in self._results]

    def _fitted(self) -> list[FittedJob]:
        """The jobs that can score; those that cannot have failed."""
        tuned = self._tuned()
        fitted = []
        for job in self._open():
            try:
                fitted.append(tuned[job.identity.key] if job.candidates else self.fitting.fit(job))
            except Exception as error:  # whatever a plugin raises must not stop the others
                self._fail(job, error)
        return fitted

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
        self.fitting.timings["tune"] = time.perf_counter() - start
        return chosen

    def _score(self, fitted: list[FittedJob]) -> None:
        """One pass over the test split; scores meet ground truth in the evaluators alone."""
        info, request = self.group.data.dataset.info, self.request
        start = time.perf_counter()
        test = TestPass(self.fitting, self.group.data.test, fitted, self._failed_in_pass)
        scratch = self.fitting.artifacts.store.scratch
        judged = {
            id(job): _Judged(job, make_evaluator(job.method.task, info, request.protocol, scratch), cost)
            for job, cost in zip(fitted, test.costs, strict=True)
        }
        # Metrics are computed in a thread beside the segmenter, which is at the next images already.
        updates: deque[tuple[_Judged, Future[float]]] = deque()
        with ThreadPoolExecutor(1) as thread:
            for scored in test:
                if self._confusion is not None:
                    self._confusion.update(scored.sample.key, scored.labels, scored.sample.truth.scored)
                for answer in scored.answers:
                    one = judged[id(answer.job)]
                    arguments = (one.evaluator, scored.sample, scored.labels, answer.scores)
                    updates.append((one, thread.submit(_update, *arguments)))
                self._settle(updates, BACKLOG[info.ndim], test)
                if not self._open():
                    break
            self._settle(updates, 0, test)
        self.fitting.timings["predict"] = test.predict_seconds
        self.fitting.timings["pass"] = time.perf_counter() - start
        for one in judged.values():
            if one.fitted.job.identity.key not in self._results:
                self._finish(one, runs=len(fitted))

    def _settle(self, updates: deque[tuple[_Judged, Future[float]]], most: int, test: TestPass) -> None:
        """Wait until at most so many updates of metrics are under way."""
        while len(updates) > most:
            one, update = updates.popleft()
            try:
                one.metric_seconds += update.result()
            except Exception as error:  # scores of a plugin may be of any kind
                test.drop(one.fitted)
                self._fail(one.fitted.job, error)

    def _failed_in_pass(self, fitted: FittedJob, error: Exception) -> None:
        self._fail(fitted.job, error)

    def _finish(self, judged: _Judged, runs: int) -> None:
        """Write the record of a job that has scored the whole test split."""
        job = judged.fitted.job
        try:
            try:
                evaluation = judged.evaluator.result()
            except BenchError as error:
                raise BenchError(f"{self.group.data.dataset.root}: {error}") from error
            record = self._finished_record(judged, evaluation, runs)
            file = record.save(self.request.record_folder)
        except Exception as error:  # an evaluator must not stop the others
            self._fail(job, error)
        else:
            self._results[job.identity.key] = JobResult(record.identity, "ok", None, file)

    def _fail(self, job: Job, error: Exception) -> None:
        """Give a job the state "failed", once, and write a record that says why."""
        if job.identity.key in self._results:
            return
        foreseen = isinstance(error, BenchError)
        reason = str(error) if foreseen else f"{type(error).__name__}: {error}"
        if is_out_of_memory(error):
            foreseen, reason = True, f"out of memory ({error}). {LESS_MEMORY}"
        text = None if foreseen else "".join(traceback.format_exception(error))
        record = self._record(job, "failed", reason=reason, traceback=text)
        file: Path | None = None
        if is_finished(self.request.record_folder / record.file_name):
            reason += ". The record of an earlier run is left as it was"
        else:
            try:
                file = record.save(self.request.record_folder)
            except BenchError as unwritable:
                if str(unwritable) != reason:
                    reason += f". Its record is not written: {unwritable}"
        self._results[job.identity.key] = JobResult(job.identity, "failed", reason, file)

    def _finished_record(self, judged: _Judged, evaluation: Evaluation, runs: int) -> Record:
        fitted = judged.fitted
        costs = {"score": judged.cost.seconds, "metrics": judged.metric_seconds}
        fit = {} if fitted.fit_seconds is None else {"fit": fitted.fit_seconds}
        return self._record(
            fitted.job,
            "ok",
            tuning=self._tunings.get(fitted.job.identity.key),
            weights=fitted.weights,
            timings=fit | costs,
            runs_in_pass=runs,
            segmenter_quality=self._segmenter_quality(),
            peak_device_bytes=judged.cost.device_bytes,
            **measured(evaluation),
        )

    def _record(
        self,
        job: Job,
        status: Literal["ok", "skipped", "failed"],
        *,
        tuning: Tuning | None = None,
        weights: Mapping[str, str] | None = None,
        timings: Mapping[str, float] | None = None,
        **fields: Any,
    ) -> Record:
        """The record of a job; `fields` are those of `Record`."""
        group = self.group
        compared = {option: list(values) for option, values in job.compared.items()}
        return Record(
            identity=job.identity,
            status=status,
            provenance=provenance(
                method=supplier(job.entry),
                dataset=supplier(group.data.entry),
                segmenter=supplier(group.segmenter.entry),
                code=job.code,
                device=self.fitting.device,
                weights={**self.fitting.weights, **(weights or {})},
            ),
            tuning=tuning,
            compared=Compared(split="test", options=compared) if compared else None,
            changed=dict(job.changed),
            caveats=_caveats(job),
            timings={**self.fitting.timings, **(timings or {})},
            peak_memory_bytes=peak_memory(),
            **fields,
        )

    def _segmenter_quality(self) -> SegmenterQuality | None:
        """How well the segmenter did on the test split; None where its classes are not the data set's."""
        if self._confusion is None:
            return None
        names = self.group.data.dataset.info.classes
        iou = dict(zip(names, map(float, self._confusion.per_class()), strict=True))
        return SegmenterQuality(mIoU=self._confusion.compute(), IoU=iou)


def _caveats(job: Job) -> tuple[str, ...]:
    """Which options were chosen on test labels, and where; an option that was tuned anew owes nothing."""
    tuned = job.identity.tuned.options if job.identity.tuned else ()
    notes = [
        option.chosen_on_test
        for option in job.method.options()
        if option.chosen_on_test and option.name not in tuned
    ]
    return tuple(dict.fromkeys(notes))


def note_comparison(job: Job, file: Path) -> None:
    """Note in a cached record the values that this run compares the record with on the test split."""
    if not job.compared:
        return
    record = Record.load(file)
    known: Mapping[str, Any] = record.compared.options if record.compared else {}
    options = dict(known)
    for key, values in job.compared.items():
        earlier = list(known.get(key, []))
        options[key] = [*earlier, *(value for value in values if value not in earlier)]
    if options != known:
        compared = Compared(split="test", options=options)
        record.model_copy(update={"compared": compared}).save(file.parent)


def measured(evaluation: Evaluation) -> dict[str, Any]:
    """The fields of a record that an evaluation fills."""
    return dict(vars(evaluation))


def _update(evaluator: Evaluator, sample: Sample, labels: Labels, scores: Scores) -> float:
    """Let an evaluator take a sample; the seconds that this took."""
    began = time.perf_counter()
    evaluator.update(sample, labels, scores)
    return time.perf_counter() - began


def is_out_of_memory(error: Exception) -> bool:
    """Whether host or device memory ran out; on the CPU torch raises a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def is_finished(file: Path) -> bool:
    """Whether a file holds a record with metrics."""
    try:
        return Record.load(file).status == "ok"
    except BenchError:  # absent, damaged or of a newer schema
        return False
