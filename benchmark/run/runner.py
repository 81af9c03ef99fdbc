"""Runs a plan, or describes what a run would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from ..interfaces.errors import AbsentError, BenchError
from ..planning.jobs import Group, Unplanned
from ..planning.plan import plan
from ..planning.request import Request
from ..plugins.registry import Registry
from ..storage.store import Store
from .artifacts import Track, stages_of
from .fitting import Fitting
from .group_run import GroupRun, JobResult


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        absent: data sets that "all" stands for and that this machine lacks or cannot read, or that have
            nothing to train on.
        errors: what could not even be planned.
    """

    results: list[JobResult] = field(default_factory=list)
    absent: list[Unplanned] = field(default_factory=list)
    errors: list[Unplanned] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything went wrong."""
        return bool(self.errors) or any(result.state == "failed" for result in self.results)


def run(request: Request, registry: Registry, track: Track, say: Callable[[str], None]) -> Outcome:
    """Run all jobs; one that fails does not stop the others.

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
        outcome.results += GroupRun(request, group, Fitting(request, group, store, device, track)).run()
    return outcome


def describe(request: Request, registry: Registry, say: Callable[[str], None]) -> Outcome:
    """Show the stages that `run` would make and those that are in the store, without making any."""
    store = Store(request.workspace)
    outcome = Outcome()
    for group in _planned(request, registry, outcome):
        data, waiting = group.data, group.waiting
        images = f"{len(data.train)} training and {len(data.test)} test images"
        say(f"{data.dataset.info.name}: {images} in {data.dataset.root}")
        if waiting:
            for stage in stages_of(group, store):
                say(f"  {'cached ' if stage.stored else 'to make'}  {stage.description}")
            tuned = next((job.identity.tuned for job in waiting if job.identity.tuned), None)
            if tuned is not None:
                say(f"  to make  one pass over {tuned.n_samples} images of {tuned.split}, to choose options")
            say(f"  to make  one pass over the test images, for {len(waiting)} of {len(group.jobs)} records")
        for job in group.jobs:
            state: Any = "to run" if job.waiting else "cached" if job.cached else "skipped"
            outcome.results.append(JobResult(job.identity, state, job.skipped, job.cached, job.swept))
    return outcome


def _planned(request: Request, registry: Registry, outcome: Outcome) -> Iterator[Group]:
    """The groups that can be run; the rest is noted in the outcome."""
    for group in plan(request, registry):
        if isinstance(group, Unplanned):
            absent = isinstance(group.error, AbsentError) and not request.datasets
            (outcome.absent if absent else outcome.errors).append(group)
            continue
        outcome.errors += group.unplanned
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
