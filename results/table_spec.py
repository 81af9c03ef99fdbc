"""What a table is: its data set, its rows and columns, and where its published numbers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..benchmark.interfaces import Task
from .published_rows import PublishedRow, read_published


@dataclass(frozen=True)
class Metric:
    """A column.

    Attributes:
        higher_is_better: None where it has no better end.
        aggregation: the one that the paper prints: "per-image", "pooled" or "per-class".
        undefined: a footnote that says when it has no value.
        decimals: as printed; None for those of its table.
    """

    name: str
    higher_is_better: bool | None
    aggregation: str
    undefined: str = ""
    decimals: int | None = None

    @property
    def label(self) -> str:
        """The name with an arrow to the better end."""
        if self.higher_is_better is None:
            return self.name
        return f"{self.name} {'↑' if self.higher_is_better else '↓'}"


@dataclass(frozen=True)
class Section:
    """The part of a table that is about one task. `more`: metrics that the paper does not print."""

    task: Task
    title: str
    metrics: tuple[Metric, ...]
    more: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class RowSpec:
    """A row of the paper, filled by runs of this method and train segmenter whose options hold `config`.

    `method` None: no run fills it.
    """

    label: str
    method: str | None
    config: Mapping[str, Any]
    train_segmenter: str | None

    def matches(self, method: str, config: Mapping[str, Any], train_segmenter: str | None) -> bool:
        """Whether a run belongs in this row; one that is older than an option counts as without it."""
        chosen = all(config.get(key, value) == value for key, value in self.config.items())
        return method == self.method and train_segmenter == self.train_segmenter and chosen


@dataclass(frozen=True)
class TableSpec:
    """A table of published and measured numbers. Register it through the hook `register_tables`.

    Attributes:
        release: the data set of the published numbers; only its runs stand beside them.
        minis: data sets that get tables of their own below.
        segmenters: those of the published numbers, in order.
        published: "package:path" of a CSV (see `read_published`), whose rows are the table's, in order.
        later: another such CSV, of later work on the release: printed apart, since the paper has none of it.
        row_title: what rows are called.
        transposed: print rows as columns.
        others: also list measured methods that no published row is about.
    """

    name: str
    title: str
    release: str
    minis: tuple[str, ...]
    sections: tuple[Section, ...]
    segmenters: tuple[str, ...]
    published: str
    decimals: int = 1
    row_title: str = "Method"
    transposed: bool = False
    others: bool = True
    later: str = ""

    @cached_property
    def published_rows(self) -> tuple[PublishedRow, ...]:
        """What the CSV holds."""
        return read_published(self.published)

    def rows(self, task: Task, segmenter: str) -> list[RowSpec]:
        """The paper's rows of a task, in its order, as far as they are about this segmenter.

        For a segmenter that the paper has not, all rows that are not about one segmenter's predictions
        judged by a network fitted on another's.
        """
        known = segmenter in self.segmenters
        rows: dict[str, RowSpec] = {}
        for row in self.published_rows:
            if row.task is task and (row.segmenter == segmenter if known else row.train_segmenter is None):
                rows.setdefault(row.label, RowSpec(row.label, row.method, row.config, row.train_segmenter))
        return list(rows.values())

    def published_row(self, task: Task, segmenter: str, label: str) -> PublishedRow | None:
        """The published numbers of one row."""
        for row in self.published_rows:
            if (row.task, row.segmenter, row.label) == (task, segmenter, label):
                return row
        return None
