"""What a built table holds, before it is printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..table_spec import Metric, TableSpec

if TYPE_CHECKING:
    import pandas as pd

Source = Literal["published", "measured"]
State = Literal["value", "undefined", "not run", "failed", "skipped", "missing", "empty", "ok", "no"]


@dataclass(frozen=True)
class Cell:
    """One number, in percent, or why there is none.

    Attributes:
        state: "undefined": the metric has no value on this data. "missing": the record lacks the metric.
            "empty": nothing belongs here. "ok" and "no": in the matrix, where a run came to its end, and
            where there can be none.
        value, std: mean and standard deviation (n - 1) over seeds; `std` None for one seed.
        n: number of seeds.
        interval: 95% over images, for one seed.
        best: of its column.
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
    """A metric in one aggregation, published or measured; of one class alone where `cls` names it."""

    metric: Metric
    source: Source
    cls: str | None = None

    @property
    def label(self) -> str:
        """What stands above it."""
        return self.cls or self.metric.label


@dataclass(frozen=True)
class Line:
    """One row. `published`: the paper has it."""

    label: str
    method: str | None
    published: bool
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """The grid of one section, segmenter and setting.

    Attributes:
        facts: what `caption` says, for machines.
        by_class: its columns are classes; printed as rows, since these are many.
    """

    caption: str
    facts: dict[str, Any]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    by_class: bool = False


@dataclass(frozen=True)
class Table:
    """A table of one or more blocks. `hints`: what to do about what is not there."""

    spec: TableSpec
    blocks: tuple[Block, ...]
    hints: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """One row a cell, numbers in percent; cells where nothing belongs are left out."""
        import pandas as pd

        return pd.DataFrame(self._cells())

    def _cells(self) -> Iterator[dict[str, Any]]:
        for block in self.blocks:
            for line in block.lines:
                for column, cell in zip(block.columns, line.cells, strict=True):
                    if cell.state != "empty":
                        yield {
                            "table": self.spec.name,
                            **block.facts,
                            "label": line.label,
                            "method": line.method,
                            "metric": column.metric.name,
                            "aggregation": column.metric.aggregation,
                            **({"class": column.cls} if column.cls else {}),
                            "source": column.source,
                            **cell_facts(cell),
                            "notes": " ".join((*line.notes, *cell.notes)),
                        }


def cell_facts(cell: Cell) -> dict[str, Any]:
    """A cell for machines."""
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
