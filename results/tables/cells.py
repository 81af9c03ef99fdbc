"""The cells of a table: a number from the records of several seeds, and which number of a column is best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...benchmark.storage.record import Record
from .content import Cell, Column, Row
from .footnotes import cell_notes, run_problems, why_undefined


def published_cell(values: Mapping[str, float], column: Column) -> Cell:
    """The published number of a column. `values`: metric -> percent."""
    value = values.get(column.name)
    return Cell("empty") if value is None else Cell("value", value=value)


def measured_cell(records: Sequence[Record], column: Column, decimals: int) -> Cell:
    """The mean over the seeds of one configuration, or the reason why there is none.

    Args:
        records: records that differ in nothing but the seed; none gives the state "not run".
        decimals: digits of the table. A pooled value whose error bound could show in the digits gets a
            footnote.
    """
    if not records:
        return Cell("not run")
    finished = [record for record in records if record.status == "ok"]
    problems = run_problems(records)
    if not finished:
        failed = any(record.status == "failed" for record in records)
        return Cell("failed" if failed else "skipped", notes=problems)
    recorded = [value for record in finished if (value := _value(record, column)) is not None]
    if not recorded:
        missing = (
            f"The record holds no {column.aggregation} {column.name}: the record is of an older version, or "
            "the metric has no such aggregation. `bench run` makes an old record anew."
        )
        return Cell("missing", notes=(*problems, missing))
    defined = [100 * value for value in recorded if math.isfinite(value)]
    if not defined:
        return Cell("undefined", notes=(*problems, why_undefined(finished, column)))
    if len(defined) < len(finished):
        left_out = len(finished) - len(defined)
        problems += (f"{left_out} of {len(finished)} seeds have no {column.name} and are left out.",)
    return Cell(
        "value",
        value=statistics.fmean(defined),
        std=statistics.stdev(defined) if len(defined) > 1 else None,
        n=len(defined),
        interval=_interval(finished[0], column) if len(records) == 1 else None,
        notes=(*problems, *cell_notes(finished, column, decimals)),
    )


def mark_best(rows: Sequence[Row], columns: Sequence[Column], decimals: int) -> tuple[Row, ...]:
    """Mark the best cells of each column. Numbers that are printed alike are equally good.

    A number that stands alone in its column is not marked. `decimals`: digits of the table.
    """
    printed = [
        [_printed(cell, column.digits(decimals)) for column, cell in zip(columns, row.cells, strict=True)]
        for row in rows
    ]
    best = []
    for place, column in enumerate(columns):
        values = [numbers[place] for numbers in printed]
        best.append(_best([value for value in values if value is not None], column))
    return tuple(
        replace(
            row,
            cells=tuple(
                replace(cell, best=top is not None and number == top)
                for cell, number, top in zip(row.cells, numbers, best, strict=True)
            ),
        )
        for row, numbers in zip(rows, printed, strict=True)
    )


def _best(values: Sequence[float], column: Column) -> float | None:
    if len(values) < 2 or column.higher_is_better is None:
        return None
    return max(values) if column.higher_is_better else min(values)


def _printed(cell: Cell, decimals: int) -> float | None:
    return None if cell.value is None else float(f"{cell.value:.{decimals}f}")


def _value(record: Record, column: Column) -> float | None:
    """The recorded value, a fraction, NaN where undefined; None where the record does not have it."""
    if column.cls is not None:
        return record.per_class.get(column.name, {}).get(column.cls)
    return record.metrics.get(column.aggregation, {}).get(column.name)


def _interval(record: Record, column: Column) -> tuple[float, float] | None:
    """The 95% interval in percent. A single class has none."""
    if column.cls is not None:
        return None
    low, high = record.intervals.get(column.aggregation, {}).get(column.name, (math.nan, math.nan))
    return (low * 100, high * 100) if math.isfinite(low) and math.isfinite(high) else None
