"""The content of a table before it is printed: grids of cells, with captions and footnotes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...benchmark.evaluation.metric_catalogue import Metric
from ..table_spec import TableSpec

if TYPE_CHECKING:
    import pandas as pd

Source = Literal["published", "measured"]
State = Literal["value", "undefined", "not run", "failed", "skipped", "missing", "empty", "ok", "no"]


@dataclass(frozen=True)
class Cell:
    """One number, in percent, or the reason why there is none.

    Attributes:
        state: "value": the cell holds a number. "undefined": the metric has no value on this data.
            "missing": the record does not have the metric. "empty": nothing belongs here. "not run", "failed"
            and "skipped" are about the run. The matrix also has "ok", where a run finished, and "no", where
            the method cannot do the task.
        value: the mean over seeds.
        std: the standard deviation (n - 1) over seeds; None for one seed.
        n: number of seeds.
        interval: the 95% interval (low, high) over images; None for several seeds.
        best: whether no cell of the column is better.
        notes: footnotes.
    """

    state: State
    value: float | None = None
    std: float | None = None
    n: int = 0
    interval: tuple[float, float] | None = None
    best: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One kind of number, mostly a metric in one aggregation.

    Attributes:
        name: of the metric.
        aggregation: as in records; "cost" and "state" for numbers that are no metrics.
        source: where the numbers of the column come from.
        higher_is_better: None where neither direction is better.
        undefined: the footnote that says why a value is undefined; "" where no reason is known beforehand.
        decimals: digits after the point; None for those of the table.
        cls: the only class that the numbers are about; None for all.
    """

    name: str
    aggregation: str
    source: Source = "measured"
    higher_is_better: bool | None = None
    undefined: str = ""
    decimals: int | None = None
    cls: str | None = None

    @classmethod
    def of_metric(cls, metric: Metric, source: Source, aggregation: str | None = None) -> Column:
        """The column of a metric of the catalogue. `aggregation`: in place of the published one."""
        return cls(
            metric.name,
            aggregation or metric.printed,
            source,
            metric.higher_is_better,
            metric.undefined,
            metric.decimals,
        )

    @property
    def heading(self) -> str:
        """The name with an arrow that points up where higher is better, down where lower is better."""
        if self.higher_is_better is None:
            return self.name
        return f"{self.name} {'↑' if self.higher_is_better else '↓'}"

    def digits(self, of_table: int) -> int:
        """The digits after the point. `of_table`: the digits of columns that set none."""
        return of_table if self.decimals is None else self.decimals


@dataclass(frozen=True)
class Row:
    """One row of a grid. `method` is None for a published row that no method here measures."""

    label: str
    method: str | None
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """The rows of one section, segmenter and setting.

    Attributes:
        caption: the line above the grid.
        facts: the content of the caption as name -> value, for machines.
        by_class: the columns are classes. Classes are printed as rows, since there are many.
    """

    caption: str
    facts: dict[str, Any]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    by_class: bool = False


@dataclass(frozen=True)
class Table:
    """A table of any number of grids. `hints`: what to do about numbers that are not there."""

    spec: TableSpec
    grids: tuple[Grid, ...]
    hints: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """The table as a data frame of one row for each cell that is not empty; numbers in percent."""
        import pandas as pd

        return pd.DataFrame(self._cells())

    def _cells(self) -> Iterator[dict[str, Any]]:
        for grid in self.grids:
            for row in grid.rows:
                for column, cell in zip(grid.columns, row.cells, strict=True):
                    if cell.state != "empty":
                        yield {
                            "table": self.spec.name,
                            **grid.facts,
                            "label": row.label,
                            "method": row.method,
                            "metric": column.name,
                            "aggregation": column.aggregation,
                            **({"class": column.cls} if column.cls else {}),
                            "source": column.source,
                            **_cell_facts(cell),
                            "notes": " ".join((*row.notes, *cell.notes)),
                        }


def _cell_facts(cell: Cell) -> dict[str, Any]:
    low, high = cell.interval or (None, None)
    return {
        "state": cell.state,
        "value": cell.value,
        "std": cell.std,
        "n": cell.n or None,
        "low": low,
        "high": high,
        "best": cell.best,
    }
