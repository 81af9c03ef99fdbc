"""One pass of a segmenter over samples, for all methods of a group."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import torch

from ..data.loading import load_batches
from ..evaluation.score_checks import method_scores
from ..interfaces import Item, Labels, Needs, Sample, Scores
from ..segmenters.batch_segmentation import segment_batch
from .fitting import FittedJob, Fitting, check_classes

BATCH = 4


class DevicePeak:
    """The most memory that tensors have held on a GPU since this object was made; the CPU does not tell."""

    def __init__(self, device: str) -> None:
        self._device = device if device.startswith("cuda") else None
        if self._device is not None:
            torch.cuda.reset_peak_memory_stats(self._device)

    def read(self) -> int | None:
        """Bytes; None on the CPU."""
        return None if self._device is None else torch.cuda.max_memory_allocated(self._device)


@dataclass
class Cost:
    """What a method costs in a test pass.

    Attributes:
        seconds: of scoring, with the time that values taken from the memo would have cost.
        device_bytes: the largest GPU memory while the method scored or the segmenter predicted for it.
    """

    seconds: float = 0.0
    device_bytes: int | None = None

    def add(self, seconds: float, *device_bytes: int | None) -> None:
        """Count one batch."""
        self.seconds += seconds
        known = [count for count in (self.device_bytes, *device_bytes) if count is not None]
        self.device_bytes = max(known, default=None)


@dataclass(frozen=True)
class Answer:
    """The scores of one method for one sample."""

    fitted: FittedJob
    scores: Scores


@dataclass(frozen=True)
class ScoredSample:
    """A sample, the classes that the segmenter predicts, and the answer of every method that has not failed.

    Attributes:
        labels: int64 (*spatial), the predicted classes.
    """

    sample: Sample
    labels: Labels
    answers: Sequence[Answer]


def raise_failure(fitted: FittedJob, error: Exception, cost: Cost) -> None:
    """Let a failing method end the whole pass."""
    raise error


class TestPass:
    """A pass of a group's segmenter over samples, in which all jobs score.

    Iterating gives a `ScoredSample` for each sample, in order. A method that raises is asked no more, and the
    pass lets go of the method.

    Args:
        jobs: the jobs that score.
        on_failure: called with a job whose method raised, the error and the job's cost so far; by default
            the pass ends with the error.

    Attributes:
        jobs: the jobs that have not failed.
        costs: what each job's method costs, by the job's `id`.
        predict_seconds: of the segmenter.
    """

    __test__ = False  # no test case, whatever its name begins with

    def __init__(
        self,
        fitting: Fitting,
        samples: Sequence[Sample],
        jobs: Sequence[FittedJob],
        on_failure: Callable[[FittedJob, Exception, Cost], None] = raise_failure,
    ) -> None:
        self.jobs = list(jobs)
        self.costs = {id(fitted): Cost() for fitted in jobs}
        self.predict_seconds = 0.0
        self._fitting = fitting
        self._samples = samples
        self._on_failure = on_failure

    def drop(self, fitted: FittedJob) -> None:
        """Ask a job's method no more, and let go of the method."""
        self.jobs = [job for job in self.jobs if job is not fitted]

    def __iter__(self) -> Iterator[ScoredSample]:
        info = self._fitting.group.data.dataset.info
        needs = reduce(Needs.__or__, (fitted.method.needs() for fitted in self.jobs), Needs())
        # Features and volumes are too large for more than one at a time.
        size = 1 if needs.features or needs.branch or info.ndim == 3 else BATCH
        batches: Iterable[list[Sample]] = load_batches(self._samples, size, self._fitting.request.workers)
        count = -(-len(self._samples) // size)
        for batch in self._fitting.artifacts.track(batches, f"{info.name}: scoring", count):
            yield from self._scored(batch, needs)

    def _scored(self, batch: Sequence[Sample], needs: Needs) -> list[ScoredSample]:
        """The samples of a batch. Nothing that the segmenter predicted is held after the return."""
        group, peak = self._fitting.group, DevicePeak(self._fitting.device)
        began = time.perf_counter()
        segmenters = self._fitting.members(max(needs.ensemble, 1))
        items = segment_batch(segmenters, batch, needs, self._fitting.device, group.seed)
        for item in items:
            check_classes(item.prediction, group.train.dataset.info, group.segmenter.name)
        labels = [item.prediction.labels.cpu().numpy() for item in items]
        self.predict_seconds += time.perf_counter() - began
        answers = self._answers(items, peak.read())
        return [ScoredSample(*parts) for parts in zip(batch, labels, answers, strict=True)]

    def _answers(self, items: Sequence[Item], predict_bytes: int | None) -> list[list[Answer]]:
        """The answers for each item, of all methods that do not fail."""
        answers: list[list[Answer]] = [[] for _ in items]
        for fitted in self.jobs:
            peak = DevicePeak(self._fitting.device)
            began = time.perf_counter() + _saved(items)
            failure: Exception | None = None
            try:
                scores = method_scores(fitted.job.entry.name, fitted.method, items, fitted.context)
            except Exception as error:  # whatever a plugin raises must not stop the others
                failure = error
            cost = self.costs[id(fitted)]
            cost.add(time.perf_counter() + _saved(items) - began, predict_bytes, peak.read())
            if failure is not None:
                self.drop(fitted)
                self._on_failure(fitted, failure, cost)
                continue
            for of_item, score in zip(answers, scores, strict=True):
                of_item.append(Answer(fitted, score))
        return answers


def _saved(items: Sequence[Item]) -> float:
    """Seconds that the memo saved. They count as a method's cost, which so depends on no other method."""
    return sum(item.memo.saved for item in items)
