"""The pipeline: data, segmenter, one pass over the test set for all methods, records."""

from __future__ import annotations

import platform
import resource
import subprocess
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from segalarm.benchmark.errors import BenchError, DataMissingError, ExtraMissingError
from segalarm.benchmark.evaluate import Evaluation, Evaluator, make_evaluator
from segalarm.benchmark.interfaces import VOID, Item, Labels, Needs, Sample, Scores
from segalarm.benchmark.loading import load_batches, to_batch
from segalarm.benchmark.metrics import ConfusionState
from segalarm.benchmark.plan import Cell, Group, groups
from segalarm.benchmark.plugins import Registry
from segalarm.benchmark.record import Git, Plugin, Provenance, Record
from segalarm.benchmark.request import Request
from segalarm.benchmark.stages import Stages, Track, check_classes, stages_of
from segalarm.benchmark.store import Store

LIBRARIES = (
    "torch",
    "torchvision",
    "mmsegmentation",
    "mmcv-lite",
    "mmengine",
    "numpy",
    "scipy",
    "lightning-fabric",
)
OPTIONAL = ("monai", "nibabel")
"""Libraries of extras."""
BATCH = 4
BACKLOG = {2: 16, 3: 1}
"""Dimensions -> updates of metrics that may wait while the segmenter goes on; each holds an image."""
LESS_MEMORY = (
    "Choose a smaller --preset, or a smaller batch_size or crop with --set; what was finished is kept, and "
    "unfinished training goes on from its last checkpoint where its options stay the same"
)


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        absent: data sets that "all" stands for and that this machine has not, or cannot read.
        errors: what could not even be planned, with the reason.
    """

    cells: list[Cell] = field(default_factory=list)
    absent: list[tuple[str, str]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything went wrong."""
        return bool(self.errors) or any(cell.state == "failed" for cell in self.cells)

    def note(self, what: str, error: BenchError, wanted: bool) -> None:
        """Take down what cannot be planned. `wanted`: it was asked for by name."""
        missing = isinstance(error, DataMissingError | ExtraMissingError) and not wanted
        (self.absent if missing else self.errors).append((what, str(error)))


def run(request: Request, registry: Registry, track: Track, say: Callable[[str], None]) -> Outcome:
    """Run all cells; one that fails does not stop the others.

    Args:
        track: wraps an iterable in a progress bar: `track(iterable, description, total)`.
        say: shows a line to the user.

    Raises:
        BenchError: the request as a whole is at fault (an unknown name, an unusable workspace).
    """
    store = Store(request.workspace, say)
    device = pick_device(request.device)
    outcome = Outcome()
    for group in _planned(request, registry, outcome):
        _Pass(request, group, Stages(request, group, store, device, track)).run()
    return outcome


def describe(request: Request, registry: Registry, say: Callable[[str], None]) -> Outcome:
    """Show the stages that `run` would make and those that are cached, without making any."""
    store = Store(request.workspace)
    outcome = Outcome()
    for group in _planned(request, registry, outcome):
        data, waiting = group.data, len(group.waiting)
        images = f"{len(data.train)} training and {len(data.test)} test images"
        say(f"{data.dataset.info.name}: {images} in {data.dataset.root}")
        if waiting:
            for stage, made in stages_of(group, store):
                say(f"  {'cached ' if made else 'to make'}  {stage}")
            say(f"  to make  one pass over the test images, for {waiting} of {len(group.cells)} records")
    return outcome


def _planned(request: Request, registry: Registry, outcome: Outcome) -> Iterator[Group]:
    """The groups that can be run; the rest goes into the outcome."""
    for group in groups(request, registry):
        if isinstance(group, tuple):
            outcome.note(*group, wanted=bool(request.datasets))
            continue
        for what, error in group.errors:
            outcome.note(what, error, wanted=True)
        outcome.cells += group.cells
        yield group


def pick_device(name: str) -> str:
    """A torch device; "auto" is the first GPU, else the CPU.

    Raises:
        BenchError: there is no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and index.isdigit())):
        raise BenchError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and int(index or 0) >= count:
        raise BenchError(
            f"--device {name}: this machine has {count} GPUs that torch can use; try --device cpu"
        )
    return name


def scored(
    stages: Stages, samples: Sequence[Sample], cells: Sequence[Cell]
) -> Iterator[tuple[Sample, Labels, list[tuple[Cell, Scores | Exception]]]]:
    """Samples with the segmenter's labels and every cell's answer, in one pass.

    A cell that has raised or failed is asked no more; its last answer is the exception.
    """
    group, info = stages.group, stages.group.data.dataset.info
    needs = reduce(Needs.__or__, (cell.method.needs() for cell in cells), Needs())
    contexts = {id(cell): stages.scoring(cell) for cell in cells}
    # Features and volumes are too large for more than one at a time.
    size = 1 if needs.features or info.ndim == 3 else BATCH
    batches: Iterable[list[Sample]] = load_batches(samples, size, stages.request.workers)
    active = list(cells)
    stages.timings["predict"] = 0.0
    for batch in stages.track(batches, f"{info.name}: scoring", -(-len(samples) // size)):
        began = time.perf_counter()
        images = to_batch(batch, stages.device)
        predictions = stages.predict(images, [sample.key for sample in batch], needs)
        for prediction in predictions:
            check_classes(prediction, group.train.dataset.info, group.network.name)
        labels = [prediction.labels.cpu().numpy() for prediction in predictions]
        stages.timings["predict"] += time.perf_counter() - began
        items = [Item(sample.view, p) for sample, p in zip(batch, predictions, strict=True)]
        answers: list[list[tuple[Cell, Scores | Exception]]] = [[] for _ in batch]
        active = [cell for cell in active if cell.state == "to run"]
        for cell in list(active):
            began = time.perf_counter()
            try:
                found: list[Any] = cell.method.score(items, contexts[id(cell)])
                if len(found) != len(batch):
                    raise BenchError(f"{cell.entry.name} gave {len(found)} scores for {len(batch)} images")
            except Exception as error:
                active.remove(cell)
                found = [error] * len(batch)
            cell.score_seconds += time.perf_counter() - began
            for place, answer in zip(answers, found, strict=True):
                place.append((cell, answer))
        yield from zip(batch, labels, answers, strict=True)


class _Pass:
    """One group: its segmenter, and one pass over the test set for all its waiting cells."""

    def __init__(self, request: Request, group: Group, stages: Stages) -> None:
        self.request = request
        self.group = group
        self.stages = stages
        self.confusion: ConfusionState | None = None
        info = group.data.dataset.info
        if group.train.dataset.info.classes == info.classes and info.classes:
            self.confusion = ConfusionState(len(info.classes), VOID)

    def run(self) -> None:
        """Run what waits; write a record for every cell that is not cached."""
        if self.group.waiting:
            try:
                self.stages.segmenter()
                for cell in self.group.waiting:
                    self._fit(cell)
                self.stages.fitted()
                self._score()
            except Exception as error:
                for cell in self.group.waiting:
                    self._fail(cell, error)
        for cell in self.group.cells:
            cell.unload()
            if cell.state == "skipped":
                cell.record = self._record(cell, None).save(self.request.record_folder)

    def _fit(self, cell: Cell) -> None:
        try:
            self.stages.fit(cell)
        except Exception as error:
            self._fail(cell, error)

    def _score(self) -> None:
        """One pass over the test set; scores meet ground truth in the evaluators alone."""
        group, info = self.group, self.group.data.dataset.info
        evaluators = {
            id(cell): make_evaluator(cell.identity.task, info, self.request.protocol)
            for cell in group.waiting
        }
        if not evaluators:
            return
        start = time.perf_counter()
        # Metrics are computed beside the segmenter, which is at the next images already.
        ranking: deque[tuple[Cell, Future[float]]] = deque()
        with ThreadPoolExecutor(1) as judge:
            for sample, labels, answers in scored(self.stages, group.data.test, group.waiting):
                if self.confusion is not None:
                    self.confusion.update(sample.key, labels, sample.truth.scored)
                for cell, answer in answers:
                    if cell.state == "failed":
                        continue
                    if isinstance(answer, Exception):
                        self._fail(cell, answer)
                    else:
                        update = judge.submit(_update, evaluators[id(cell)], sample, labels, answer)
                        ranking.append((cell, update))
                self._settle(ranking, BACKLOG[info.ndim])
                if not group.waiting:
                    break
            self._settle(ranking, 0)
        self.stages.timings["pass"] = time.perf_counter() - start
        for cell in group.waiting:
            try:
                record = self._record(cell, evaluators[id(cell)].result())
                cell.record = record.save(self.request.record_folder)
            except Exception as error:
                self._fail(cell, error)
            else:
                cell.state = "ok"

    def _settle(self, ranking: deque[tuple[Cell, Future[float]]], most: int) -> None:
        """Wait until at most so many updates of metrics are under way."""
        while len(ranking) > most:
            cell, update = ranking.popleft()
            try:
                cell.score_seconds += update.result()
            except Exception as error:
                if cell.state != "failed":
                    self._fail(cell, error)

    def _fail(self, cell: Cell, error: Exception) -> None:
        known = isinstance(error, BenchError)
        cell.state = "failed"
        cell.reason = str(error) if known else f"{type(error).__name__}: {error}"
        if is_out_of_memory(error):
            known, cell.reason = True, f"out of memory ({error}). {LESS_MEMORY}"
        cell.unload()
        extra = {} if known else {"traceback": "".join(traceback.format_exception(error))}
        record = self._record(cell, None, extra)
        if is_finished(self.request.record_folder / record.file_name):
            cell.reason += ". The record of an earlier run is left as it was"
            return
        try:
            cell.record = record.save(self.request.record_folder)
        except BenchError as unwritable:
            if str(unwritable) != cell.reason:
                cell.reason += f". Its record is not written: {unwritable}"

    def _record(self, cell: Cell, found: Evaluation | None, extra: Mapping[str, Any] | None = None) -> Record:
        group, facts = self.group, dict(extra or {})
        if found is not None and self.confusion is not None:
            iou = self.confusion.per_class()
            names = group.data.dataset.info.classes
            facts["segmenter"] = {
                "mIoU": _number(self.confusion.compute()),
                "IoU": {name: _number(value) for name, value in zip(names, iou, strict=True)},
            }
        timings = dict(self.stages.timings)
        if cell.fit_seconds is not None:
            timings["fit"] = cell.fit_seconds
        if found is not None:
            timings["score"] = cell.score_seconds
        return Record(
            identity=cell.identity,
            status="ok" if found else cell.state,
            reason=cell.reason,
            provenance=self._provenance(cell),
            metrics=found.metrics if found else {},
            error_bounds=found.error_bounds if found else {},
            intervals=found.intervals if found else {},
            per_class=found.per_class if found else {},
            per_image=found.per_image if found else {},
            counts=found.counts if found else {},
            timings=timings,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            extra=facts,
        )

    def _provenance(self, cell: Cell) -> Provenance:
        group = self.group
        cuda = self.stages.device.startswith("cuda")
        return Provenance(
            method=Plugin(plugin=cell.entry.plugin, version=cell.entry.version),
            dataset=Plugin(plugin=group.data.entry.plugin, version=group.data.entry.version),
            segmenter=Plugin(plugin=group.network.entry.plugin, version=group.network.entry.version),
            segalarm=version("segalarm"),
            code_hash=cell.code,
            git=git_state(),
            libraries=libraries(),
            python=platform.python_version(),
            platform=platform.platform(),
            device=self.stages.device,
            device_name=torch.cuda.get_device_name(self.stages.device) if cuda else cpu_name(),
            weights={**self.stages.weights, **cell.weights},
        )


def libraries() -> dict[str, str]:
    """Name -> version of what numbers may depend on, as far as it is installed."""
    found = {name: version(name) for name in LIBRARIES}
    for name in OPTIONAL:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def git_state() -> Git | None:
    """The checkout that this package runs from, or None where it is installed."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        asked = {"cwd": root, "capture_output": True, "text": True, "check": True}
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **asked).stdout.strip()  # type: ignore[call-overload]
        changed = subprocess.run(["git", "status", "--porcelain"], **asked).stdout  # type: ignore[call-overload]
    except (OSError, subprocess.CalledProcessError):
        return None
    return Git(commit=commit, dirty=bool(changed))


def _update(evaluator: Evaluator, sample: Sample, labels: Labels, scores: Scores) -> float:
    """Let an evaluator take a sample; the seconds that it took."""
    began = time.perf_counter()
    evaluator.update(sample, labels, scores)
    return time.perf_counter() - began


def is_out_of_memory(error: Exception) -> bool:
    """Whether host or device memory ran out; on the CPU torch raises a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def cpu_name() -> str:
    """The processor's model and the number of cores that torch uses."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # no Linux, or a processor that does not say
        model = platform.processor() or platform.machine()
    return f"{model}, {torch.get_num_threads()} threads"


def is_finished(file: Path) -> bool:
    """Whether a file holds a record with metrics."""
    try:
        return Record.load(file).status == "ok"
    except BenchError:  # absent, damaged or of an old schema
        return False


def _number(value: float) -> float | None:
    return None if value != value else float(value)
