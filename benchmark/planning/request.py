"""What one `bench run` asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..interfaces import Preset, Protocol, Task

Rerun = Literal["never", "missing", "always"]


@dataclass(frozen=True)
class Request:
    """A run as the user asks for it.

    Attributes:
        methods, datasets: names; empty for all.
        tasks: the tasks to run. All three mean every task that a data set has ground truth for. Empty: the
            tasks that a data set is published for, or all of its tasks where `datasets` is empty as well.
        segmenters: names, or mmsegmentation configs; empty for the data set's default; "all" for all
            segmenters of the data set's experiment.
        train_segmenter: the segmenter whose predictions methods are fitted on; None for the tested one.
        train_dataset: the data set that the segmenter is trained on; None for the tested one.
        variants: data set -> what the user calls a folder that is not the release. The key "" stands for
            every data set whose folder is not the release.
        data: data set -> the folder to look in. The key "" stands for every data set.
        preset: None for the data set's default.
        seeds: of methods, and of segmenters unless `segmenter_seed` is given.
        segmenter_seed: one seed for the segmenters of all runs; None for the run's own.
        records: the folder of records; None for the workspace's.
        checkpoint: a file of weights that takes the place of the segmenter's training.
        rerun: "missing" runs every job that has no finished record made by the present code; "never" leaves
            every job alone that has a record; "always" runs all.
        workers: processes that read samples ahead.
        options: plugin -> option -> value, from `--set` and `--config`; values may be nested.
        sweeps: plugin -> option (nested names joined by dots) -> values. Each value is a run of its own, all
            in one test pass.
        tune_on: the split on which the values of sweeps, or else a method's candidates, are compared, so that
            the best alone is tested; None for no tuning.
    """

    methods: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    segmenters: tuple[str, ...] = ()
    train_segmenter: str | None = None
    train_dataset: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Path] = field(default_factory=dict)
    preset: Preset | None = None
    protocol: Protocol = Protocol.OFFICIAL
    seeds: tuple[int, ...] = (0,)
    segmenter_seed: int | None = None
    workspace: Path = Path("workspace")
    records: Path | None = None
    device: str = "auto"
    precision: str = "32"
    checkpoint: Path | None = None
    rerun: Rerun = "missing"
    workers: int = 1
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sweeps: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)
    tune_on: Literal["validation"] | None = None

    def folder(self, dataset: str) -> Path | None:
        """The folder to look for a data set in; None where the user named none."""
        return self.data.get(dataset, self.data.get(""))

    @property
    def record_folder(self) -> Path:
        """The folder that records are written to."""
        return self.records or self.workspace / "records"
