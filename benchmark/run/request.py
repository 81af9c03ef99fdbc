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
    """A run as asked for on the command line.

    Attributes:
        methods, datasets: names; empty = all.
        tasks: all of `Task` = all of the data set's; empty = those that it is published for, or all of its
            own where `datasets` is empty.
        segmenters: names, or mmsegmentation configs; empty = the data set's default, "all" = all of its
            experiment.
        segmenter_seed: of the segmenters; None = the run's.
        variants, data: data set name -> variant or folder. The key "" stands for every data set, as a
            variant for those whose tree is not the release.
        preset: None = the data set's default.
        rerun: "missing" runs what has no finished record made by the present code; "never" leaves every
            cell alone that has a record; "always" runs all.
        options: plugin name -> key -> value, from `--set` and `--config`; values may be nested alike.
        sweeps: plugin name -> key (dotted where nested) -> values, each a run of its own in one pass.
        tune_on: the split on which the sweep's values, or else the candidates of a method's options, are
            compared and one is chosen; None = no choice is made.
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
        """Where a data set is to be looked for."""
        return self.data.get(dataset, self.data.get(""))

    @property
    def record_folder(self) -> Path:
        """Where records go."""
        return self.records or self.workspace / "records"
