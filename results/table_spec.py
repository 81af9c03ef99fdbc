"""The description of a table: its data set, rows, columns, and the file of its published numbers.

A plugin adds a table of its own by the hook `register_tables`, with a `TableSpec` as the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..benchmark.evaluation.metric_catalogue import Metric, metric, metrics_of
from ..benchmark.interfaces import Task
from ..benchmark.interfaces.errors import UnknownNameError
from .published_rows import PublishedRow, read_published


@dataclass(frozen=True)
class Section:
    """The part of a table about one task. A metric's name is all that a column needs.

    Direction, aggregation, footnotes and decimals of a metric come from the catalogue of metrics
    (`benchmark/evaluation/metric_catalogue.py`).

    Attributes:
        title: printed above each grid of the section.
        metrics: names of the metrics that are always printed, in the order of their columns.
        more: names of the metrics that are added by `--all-metrics`.

    Raises:
        UnknownNameError: the catalogue has no such metric of the task.
    """

    task: Task
    title: str
    metrics: tuple[str, ...]
    more: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        available = {entry.name for entry in metrics_of(self.task)}
        for name in (*self.metrics, *self.more):
            if name not in available:
                raise UnknownNameError(f"metric of the task {self.task}", name, available)

    def entries(self, all_metrics: bool = False) -> tuple[Metric, ...]:
        """The catalogue's entries of `metrics`, with those of `more` if `all_metrics`."""
        names = (*self.metrics, *self.more) if all_metrics else self.metrics
        return tuple(metric(self.task, name) for name in names)


@dataclass(frozen=True)
class RowSpec:
    """A row of the paper, and the runs that fill the row.

    Attributes:
        label: as printed in the paper.
        method: name of the method whose runs fill the row; None where no run can.
        config: option of the method -> the value that a run must have to belong in this row.
        train_segmenter: the segmenter that the method must have been fitted on, where that is not the
            segmenter that is judged.
    """

    label: str
    method: str | None
    config: Mapping[str, Any]
    train_segmenter: str | None

    def matches(self, method: str, config: Mapping[str, Any], train_segmenter: str | None) -> bool:
        """Whether a run belongs in this row. An option that the record is too old to have is not compared."""
        agrees = all(config.get(option, value) == value for option, value in self.config.items())
        return method == self.method and train_segmenter == self.train_segmenter and agrees


@dataclass(frozen=True)
class TableSpec:
    """A table of published and measured numbers. A table without published numbers lists what was measured.

    Attributes:
        name: the name that the table is registered by.
        dataset: the data set of the published numbers. Runs on its official release stand beside them.
        sections: one for each task.
        more_datasets: data sets whose runs are printed in grids of their own, below.
        segmenters: the segmenters of the published numbers, in the order of their grids.
        published: "package:path" of the CSV of published numbers (see `read_published`), whose rows are the
            rows of the table, in order; "" where nothing is published.
        later_work: another such CSV, of later papers on the same data set, printed in a grid of its own.
        decimals: digits after the point, for metrics whose catalogue entry sets none.
        row_title: what the rows are, printed above their labels.
        transposed: print rows as columns.
        unpublished_methods: also list measured methods that no published row is about.
    """

    name: str
    title: str
    dataset: str
    sections: tuple[Section, ...]
    more_datasets: tuple[str, ...] = ()
    segmenters: tuple[str, ...] = ()
    published: str = ""
    later_work: str = ""
    decimals: int = 1
    row_title: str = "Method"
    transposed: bool = False
    unpublished_methods: bool = True

    @cached_property
    def published_rows(self) -> tuple[PublishedRow, ...]:
        """The rows of the CSV of published numbers."""
        return read_published(self.published)

    def rows(self, task: Task, segmenter: str) -> list[RowSpec]:
        """The paper's rows of a task and segmenter, in the paper's order.

        A segmenter that the paper does not have gets the rows of all the paper's segmenters, save rows of
        methods that were fitted on one segmenter and judge another.
        """
        in_paper = segmenter in self.segmenters
        rows: dict[str, RowSpec] = {}
        for row in self.published_rows:
            fits = row.segmenter == segmenter if in_paper else row.train_segmenter is None
            if row.task is task and fits:
                rows.setdefault(row.label, RowSpec(row.label, row.method, row.config, row.train_segmenter))
        return list(rows.values())

    def published_row(self, task: Task, segmenter: str, label: str) -> PublishedRow | None:
        """The published numbers of one row; None where nothing is published for this segmenter."""
        for row in self.published_rows:
            if (row.task, row.segmenter, row.label) == (task, segmenter, label):
                return row
        return None
