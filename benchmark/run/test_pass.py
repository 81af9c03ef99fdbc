"""One pass of a segmenter over samples, for all methods of a group."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce

import torch

from ..data.loading import load_batches, to_batch
from ..evaluation.score_checks import method_scores
from ..interfaces import Item, Labels, Needs, Sample, Scores
from ..segmenters.ensemble_members import predict_with_members
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
        seconds: of scoring, and of what another method of the run has computed for this one.
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

    job: FittedJob
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


def raise_failure(job: FittedJob, error: Exception) -> None:
    """Let a failing method end the whole pass."""
    raise error


@dataclass
class TestPass:
    """A pass of a group's segmenter over samples, in which all jobs score.

    Iterating gives a `ScoredSample` a sample, in order. A method that raises is asked no more.

    Attributes:
        on_failure: called with a job whose method raised; by default the pass ends with the error.
        costs: what each job's method costs, in the order of `jobs`.
        predict_seconds: of the segmenter.
    """

    __test__ = False  # no test case, whatever its name begins with

    fitting: Fitting
    samples: Sequence[Sample]
    jobs: Sequence[FittedJob]
    on_failure: Callable[[FittedJob, Exception], None] = raise_failure
    predict_seconds: float = 0.0
    costs: list[Cost] = field(init=False)
    _dropped: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.costs = [Cost() for _ in self.jobs]

    def drop(self, job: FittedJob) -> None:
        """Ask a job's method no more."""
        self._dropped.add(id(job))

    def __iter__(self) -> Iterator[ScoredSample]:
        group = self.fitting.group
        info = group.data.dataset.info
        needs = reduce(Needs.__or__, (job.method.needs() for job in self.jobs), Needs())
        # Features and volumes are too large for more than one at a time.
        size = 1 if needs.features or needs.branch or info.ndim == 3 else BATCH
        batches: Iterable[list[Sample]] = load_batches(self.samples, size, self.fitting.request.workers)
        for batch in self.fitting.artifacts.track(
            batches, f"{info.name}: scoring", -(-len(self.samples) // size)
        ):
            yield from self._scored(batch, needs)

    def _scored(self, batch: Sequence[Sample], needs: Needs) -> list[ScoredSample]:
        """The samples of a batch. Nothing that the segmenter predicted is held after the return."""
        group, peak = self.fitting.group, DevicePeak(self.fitting.device)
        began = time.perf_counter()
        images = to_batch(batch, self.fitting.device)
        segmenters = self.fitting.members(max(needs.ensemble, 1))
        predictions = predict_with_members(
            segmenters, images, [sample.key for sample in batch], needs, group.seed
        )
        for prediction in predictions:
            check_classes(prediction, group.train.dataset.info, group.segmenter.name)
        labels = [prediction.labels.cpu().numpy() for prediction in predictions]
        self.predict_seconds += time.perf_counter() - began
        items = [Item(sample.view, p) for sample, p in zip(batch, predictions, strict=True)]
        answers = self._answers(items, peak.read())
        return [ScoredSample(*parts) for parts in zip(batch, labels, answers, strict=True)]

    def _answers(self, items: Sequence[Item], predict_bytes: int | None) -> list[list[Answer]]:
        """The answers for each item, of all methods that do not fail."""
        answers: list[list[Answer]] = [[] for _ in items]
        for job, cost in zip(self.jobs, self.costs, strict=True):
            if id(job) in self._dropped:
                continue
            peak = DevicePeak(self.fitting.device)
            began = time.perf_counter() + _saved(items)
            try:
                scores = method_scores(job.job.entry.name, job.method, items, job.context)
            except Exception as error:  # whatever a plugin raises must not stop the others
                self.drop(job)
                self.on_failure(job, error)
                continue
            finally:
                cost.add(time.perf_counter() + _saved(items) - began, predict_bytes, peak.read())
            for of_item, score in zip(answers, scores, strict=True):
                of_item.append(Answer(job, score))
        return answers


def _saved(items: Sequence[Item]) -> float:
    """Seconds that were not spent, since another method had computed the same: a cost of this method, too."""
    return sum(item.memo.saved for item in items)
