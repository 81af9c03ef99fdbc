"""One pass of a segmenter over samples, for all methods of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import torch

from ..data.loading import load_batches, to_batch
from ..interfaces import Context, Item, Labels, Needs, Sample, Scores
from ..interfaces.errors import AbsentError, BenchError
from ..plugins.registry import Registry
from ..storage.store import Store
from .artifacts import Stages, Track, check_classes
from .plan import Cell, Group, groups
from .request import Request

BATCH = 4


class DevicePeak:
    """The most memory that tensors held on a GPU since this was made; the CPU does not tell."""

    def __init__(self, device: str) -> None:
        self._device = device if device.startswith("cuda") else None
        if self._device is not None:
            torch.cuda.reset_peak_memory_stats(self._device)

    def read(self) -> int | None:
        """Bytes; None on the CPU."""
        return None if self._device is None else torch.cuda.max_memory_allocated(self._device)


def largest(*counts: int | None) -> int | None:
    """The largest of those that are known."""
    return max((count for count in counts if count is not None), default=None)


def all_groups(request: Request, registry: Registry, say: Callable[[str], None]) -> list[Group]:
    """The groups of a request that leaves no records: whatever records there are, every cell is to run.

    Of all data sets, those that are not here are left out, and said.

    Raises:
        BenchError: one cannot be planned.
    """
    found = []
    for group in groups(replace(request, rerun="always"), registry):
        if isinstance(group, tuple):
            what, missing = group
            if request.datasets or not isinstance(missing, AbsentError):
                raise missing
            say(f"skipped {what}: {missing}")
            continue
        for _, problem in group.errors:
            raise problem
        found.append(group)
    return found


def ready(request: Request, group: Group, store: Store, device: str, track: Track) -> Stages:
    """The stages of a group with its segmenter and every method fitted; makes what is not there yet."""
    stages = Stages(request, group, store, device, track)
    stages.segmenter()
    for cell in group.waiting:
        stages.fit(cell)
    stages.fitted()
    return stages


def scored(
    stages: Stages, samples: Sequence[Sample], cells: Sequence[Cell]
) -> Iterator[tuple[Sample, Labels, list[tuple[Cell, Scores | Exception]]]]:
    """Samples with the segmenter's labels and every cell's answer, in one pass.

    A cell that has raised or failed is asked no more; its last answer is the exception.
    """
    info = stages.group.data.dataset.info
    needs = reduce(Needs.__or__, (cell.method.needs() for cell in cells), Needs())
    # Features and volumes are too large for more than one at a time.
    size = 1 if needs.features or needs.branch or info.ndim == 3 else BATCH
    batches: Iterable[list[Sample]] = load_batches(samples, size, stages.request.workers)
    active = [(cell, stages.scoring(cell)) for cell in cells]
    stages.timings["predict"] = 0.0
    for batch in stages.track(batches, f"{info.name}: scoring", -(-len(samples) // size)):
        active = [asked for asked in active if asked[0].state == "to run"]
        # In a function, so that nothing predicted is held while the next batch is.
        labels, answers = _answered(stages, batch, needs, active)
        raised = [isinstance(answer, Exception) for _, answer in answers[0]]
        active = [asked for asked, failed in zip(active, raised, strict=True) if not failed]
        yield from zip(batch, labels, answers, strict=True)


def _answered(
    stages: Stages, batch: Sequence[Sample], needs: Needs, cells: Sequence[tuple[Cell, Context]]
) -> tuple[list[Labels], list[list[tuple[Cell, Scores | Exception]]]]:
    """Of each sample of a batch the segmenter's labels and every cell's answer."""
    group = stages.group
    peak = DevicePeak(stages.device)
    began = time.perf_counter()
    images = to_batch(batch, stages.device)
    predictions = stages.predict(images, [sample.key for sample in batch], needs)
    for prediction in predictions:
        check_classes(prediction, group.train.dataset.info, group.network.name)
    labels = [prediction.labels.cpu().numpy() for prediction in predictions]
    stages.timings["predict"] += time.perf_counter() - began
    items = [Item(sample.view, p) for sample, p in zip(batch, predictions, strict=True)]
    answers: list[list[tuple[Cell, Scores | Exception]]] = [[] for _ in batch]
    predicted = peak.read()
    for cell, context in cells:
        peak = DevicePeak(stages.device)
        began = time.perf_counter() + sum(item.memo.saved for item in items)
        try:
            found: list[Any] = cell.method.score(items, context)
            if len(found) != len(batch):
                raise BenchError(f"{cell.entry.name} gave {len(found)} scores for {len(batch)} images")
        except Exception as error:
            found = [error] * len(batch)
        # What another method of the run has computed for it is its cost, too.
        cell.score_seconds += time.perf_counter() + sum(item.memo.saved for item in items) - began
        cell.device_bytes = largest(cell.device_bytes, predicted, peak.read())
        for place, answer in zip(answers, found, strict=True):
            place.append((cell, answer))
    return labels, answers
