"""What a run consists of: jobs (one record each), in groups that share data, a segmenter and a test pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..interfaces import Method, Preset
from ..interfaces.errors import BenchError
from ..plugins.registry import Entry
from ..storage.identity import Identity
from .inputs import PlannedSegmenter, PreparedData


@dataclass(frozen=True)
class Candidate:
    """A configuration of a method that tuning may choose.

    Attributes:
        options: the values that set the configuration apart, option -> value.
    """

    options: Mapping[str, Any]
    method: Method


@dataclass(frozen=True)
class Job:
    """One record to be made: a method with its configuration, on one task, within a group.

    Attributes:
        method: not fitted.
        identity: says what makes the record different from any other.
        code: a hash of the code that the record depends on.
        candidates: the configurations that tuning chooses from; empty where nothing is tuned. `method` and
            `identity` are the first candidate's.
        compared: option -> values that the run compares on the test split. Each value is a job.
        swept: option (nested names joined by dots) -> this job's value, of the options that set jobs of one
            method apart.
        changed: option (nested names joined by dots) -> the user's value, if it is not the method's own.
        skipped: why no record can be made; None where one can.
        cached: the file of a record that this run need not make again.
    """

    entry: Entry
    method: Method
    identity: Identity
    code: str
    candidates: tuple[Candidate, ...] = ()
    compared: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    swept: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)
    skipped: str | None = None
    cached: Path | None = None

    @property
    def waiting(self) -> bool:
        """Whether the job is to run."""
        return self.skipped is None and self.cached is None


@dataclass(frozen=True)
class Unplanned:
    """Something that cannot be planned, and why."""

    name: str
    error: BenchError


@dataclass(frozen=True)
class Group:
    """The jobs that share a pass of one segmenter over one test split.

    Attributes:
        data: the data set that is tested.
        train: the data set that segmenter and methods are trained on.
        segmenter: the segmenter whose predictions are scored.
        teacher: the segmenter whose out-of-fold predictions methods are fitted on; mostly `segmenter` itself.
        unplanned: the methods for which no job could be made.
    """

    data: PreparedData
    train: PreparedData
    segmenter: PlannedSegmenter
    teacher: PlannedSegmenter
    preset: Preset
    seed: int
    jobs: tuple[Job, ...] = ()
    unplanned: tuple[Unplanned, ...] = ()

    @property
    def waiting(self) -> list[Job]:
        """The jobs that are to run."""
        return [job for job in self.jobs if job.waiting]
