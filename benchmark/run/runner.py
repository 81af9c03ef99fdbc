"""The pipeline: data, segmenter, one pass over the test set for all methods, records."""

from __future__ import annotations

import platform
import resource
import subprocess
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ..evaluation.by_task import make_evaluator
from ..evaluation.evaluator import Evaluation, Evaluator
from ..interfaces import VOID, Labels, Sample, Scores
from ..interfaces.errors import AbsentError, BenchError
from ..metrics import ConfusionState
from ..plugins.registry import Entry, Registry
from ..storage.provenance import Git, Plugin, Provenance
from ..storage.record import Record
from ..storage.record_parts import SegmenterQuality
from ..storage.store import Store
from .artifacts import Stages, Track, stages_of
from .plan import Cell, Group, groups
from .request import Request
from .test_pass import scored
from .tuning import amend, tune
from .tuning import facts as how_chosen

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
        absent: data sets that "all" stands for and that this machine has not or cannot read, or that have
            nothing to train on.
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
        missing = isinstance(error, AbsentError) and not wanted
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
            tuned = next((cell.identity.tuned for cell in group.waiting if cell.identity.tuned), None)
            if tuned is not None:
                say(f"  to make  one pass over {tuned.n_samples} images of {tuned.split}, to choose options")
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


class _Pass:
    """One group: its segmenter, and one pass over the test set for all its waiting cells."""

    def __init__(self, request: Request, group: Group, stages: Stages) -> None:
        self.request = request
        self.group = group
        self.stages = stages
        self.runs = 0
        self.confusion: ConfusionState | None = None
        info = group.data.dataset.info
        if group.train.dataset.info.classes == info.classes and info.classes:
            self.confusion = ConfusionState(len(info.classes), VOID)

    def run(self) -> None:
        """Run what waits; write a record for every cell that is not cached."""
        if self.group.waiting:
            try:
                self.stages.segmenter()
                self._tune()
                for cell in self.group.waiting:
                    self._fit(cell)
                self.stages.fitted()
                self._score()
            except Exception as error:
                for cell in self.group.waiting:
                    self._fail(cell, error)
        for cell in self.group.cells:
            cell.unload()
            if cell.state == "cached":
                amend(cell)
            if cell.state == "skipped":
                cell.record = self._record(cell, None).save(self.request.record_folder)

    def _tune(self) -> None:
        """Choose options on held-out data, where that was asked for."""
        open_to_choice = [cell for cell in self.group.waiting if cell.candidates]
        if not open_to_choice:
            return
        start = time.perf_counter()
        for cell, error in tune(self.stages, open_to_choice):
            self._fail(cell, error)
        self.stages.timings["tune"] = time.perf_counter() - start

    def _fit(self, cell: Cell) -> None:
        try:
            self.stages.fit(cell)
        except Exception as error:
            self._fail(cell, error)

    def _score(self) -> None:
        """One pass over the test set; scores meet ground truth in the evaluators alone."""
        group, info = self.group, self.group.data.dataset.info
        scratch = self.stages.store.scratch
        evaluators = {
            id(cell): make_evaluator(cell.identity.task, info, self.request.protocol, scratch)
            for cell in group.waiting
        }
        if not evaluators:
            return
        self.runs = len(evaluators)
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
                try:
                    found = evaluators[id(cell)].result()
                except BenchError as error:
                    raise BenchError(f"{group.data.dataset.root}: {error}") from error
                cell.record = self._record(cell, found).save(self.request.record_folder)
            except Exception as error:
                self._fail(cell, error)
            else:
                cell.state = "ok"

    def _settle(self, ranking: deque[tuple[Cell, Future[float]]], most: int) -> None:
        """Wait until at most so many updates of metrics are under way."""
        while len(ranking) > most:
            cell, update = ranking.popleft()
            try:
                cell.metric_seconds += update.result()
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
        trace = None if known else "".join(traceback.format_exception(error))
        record = self._record(cell, None, trace)
        if is_finished(self.request.record_folder / record.file_name):
            cell.reason += ". The record of an earlier run is left as it was"
            return
        try:
            cell.record = record.save(self.request.record_folder)
        except BenchError as unwritable:
            if str(unwritable) != cell.reason:
                cell.reason += f". Its record is not written: {unwritable}"

    def _record(self, cell: Cell, found: Evaluation | None, trace: str | None = None) -> Record:
        group, facts = self.group, how_chosen(cell)
        if found is not None and self.confusion is not None:
            iou = self.confusion.per_class()
            names = group.data.dataset.info.classes
            facts["segmenter_quality"] = SegmenterQuality(
                mIoU=self.confusion.compute(), IoU=dict(zip(names, map(float, iou), strict=True))
            )
        timings = dict(self.stages.timings)
        if cell.fit_seconds is not None:
            timings["fit"] = cell.fit_seconds
        if found is not None:
            timings |= {"score": cell.score_seconds, "metrics": cell.metric_seconds}
            facts["runs_in_pass"] = self.runs
        return Record(
            identity=cell.identity,
            status="ok" if found else cell.state,
            reason=cell.reason,
            provenance=self._provenance(cell),
            **numbers(found),
            timings=timings,
            peak_memory_bytes=peak_memory(),
            peak_device_bytes=cell.device_bytes,
            traceback=trace,
            **facts,
        )

    def _provenance(self, cell: Cell) -> Provenance:
        return provenance(
            method=supplier(cell.entry),
            dataset=supplier(self.group.data.entry),
            segmenter=supplier(self.group.network.entry),
            code=cell.code,
            device=self.stages.device,
            weights={**self.stages.weights, **cell.weights},
        )


def supplier(entry: Entry) -> Plugin:
    """Who supplied a name."""
    return Plugin(plugin=entry.plugin, version=entry.version)


def numbers(found: Evaluation | None) -> dict[str, Any]:
    """The fields of a record that an evaluation fills."""
    return {} if found is None else asdict(found)


def peak_memory() -> int:
    """The most host memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def provenance(
    method: Plugin,
    dataset: Plugin,
    segmenter: Plugin | None,
    code: str,
    device: str,
    weights: Mapping[str, str] | None = None,
) -> Provenance:
    """Where a record that is made now comes from. `code`: a hash of what its numbers depend on."""
    return Provenance(
        method=method,
        dataset=dataset,
        segmenter=segmenter,
        segalarm=version("segalarm"),
        code_hash=code,
        git=git_state(),
        libraries=libraries(),
        python=platform.python_version(),
        platform=platform.platform(),
        device=device,
        device_name=torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name(),
        weights=dict(weights or {}),
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
    root = Path(__file__).resolve().parents[2]
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
