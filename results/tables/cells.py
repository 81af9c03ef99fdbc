"""One number of a table from the records of its seeds, and which of a column is best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from ...benchmark.storage.record import Record
from ..table_spec import Metric
from .content import Cell, Column, Line

WITHOUT = "without "
"""Begins the name of a count of volumes that lack a structure."""


def measure(records: Sequence[Record], column: Column, decimals: int) -> Cell:
    """The mean over the seeds of one configuration; a reason where there is none.

    Args:
        records: at least one, differing in nothing but the seed.
        decimals: as printed; a pooled value whose error bound could show in them gets a footnote.
    """
    done = [record for record in records if record.status == "ok"]
    troubles = _troubles(records)
    if not done:
        failed = any(record.status == "failed" for record in records)
        return Cell("failed" if failed else "skipped", notes=troubles)
    metric = column.metric
    values = [_value(record, column) for record in done]
    known = [value * 100 for value in values if value is not None]
    if not known:
        return Cell("missing", notes=(*troubles, f"The record has no {metric.aggregation} {metric.name}."))
    defined = [value for value in known if math.isfinite(value)]
    if not defined:
        return Cell("undefined", notes=(*troubles, _why_undefined(done, column)))
    if len(defined) < len(done):
        troubles += (f"{len(done) - len(defined)} of {len(done)} seeds have no {metric.name}.",)
    return Cell(
        "value",
        value=statistics.fmean(defined),
        std=statistics.stdev(defined) if len(defined) > 1 else None,
        n=len(defined),
        interval=_interval(done[0], metric) if len(records) == 1 and column.cls is None else None,
        notes=(*troubles, *_bound(done, metric, decimals), *_part(done, column), *_left_out(done, column)),
    )


def mark_best(lines: Sequence[Line], columns: Sequence[Column], decimals: int) -> tuple[Line, ...]:
    """Mark the best number of every column as printed; ties all. A lone number is no best."""
    best: list[float | None] = []
    printed = [decimals if c.metric.decimals is None else c.metric.decimals for c in columns]
    for place, column in enumerate(columns):
        shown = [_shown(line.cells[place], printed[place]) for line in lines]
        values = [value for value in shown if value is not None]
        pick = max if column.metric.higher_is_better else min
        best.append(pick(values) if len(values) > 1 else None)
    return tuple(
        replace(
            line,
            cells=tuple(
                replace(cell, best=best[place] is not None and _shown(cell, printed[place]) == best[place])
                for place, cell in enumerate(line.cells)
            ),
        )
        for line in lines
    )


def _value(record: Record, column: Column) -> float | None:
    metric = column.metric
    if column.cls is not None:
        return record.per_class.get(metric.name, {}).get(column.cls)
    return record.metrics.get(metric.aggregation, {}).get(metric.name)


def _why_undefined(records: Sequence[Record], column: Column) -> str:
    if column.cls is not None and not any(column.cls in _scored(record) for record in records):
        return f"No test image holds {column.cls}."
    return column.metric.undefined or f"{column.metric.name} has no value on this data."


def _part(records: Sequence[Record], column: Column) -> tuple[str, ...]:
    """Says where an average over classes lacks some that were scored."""
    if column.metric.aggregation != "per-class" or column.cls is not None:
        return ()
    name = column.metric.name
    parts = set()
    for record in records:
        scored = _scored(record)
        if record.counts.get("classes_scored", len(scored)) < len(scored):
            continue  # the average is over some classes by intent
        defined = sum(not math.isnan(record.per_class.get(name, {}).get(cls, 0.0)) for cls in scored)
        if defined < len(scored):
            parts.add(f"{defined} of {len(scored)}")
    if not parts:
        return ()
    why = f"{name} is the mean over {', '.join(sorted(parts))} classes that were scored."
    return (f"{why} {column.metric.undefined}".strip(),)


def _left_out(records: Sequence[Record], column: Column) -> tuple[str, ...]:
    """Says in how many volumes a structure is absent, so that it has no Dice there."""
    if column.metric.aggregation != "per-class":
        return ()
    absent = {
        (cls, count, record.counts["images"])
        for record in records
        for name, count in record.counts.items()
        for cls in [name.removeprefix(WITHOUT)]
        if name.startswith(WITHOUT) and count and column.cls in (None, cls)
    }
    return tuple(
        f"{count} of {images} volumes have no {cls}, so no Dice of it, and are left out."
        for cls, count, images in sorted(absent)
    )


def _scored(record: Record) -> set[str]:
    """The classes that have any metric."""
    return {
        cls for values in record.per_class.values() for cls, value in values.items() if not math.isnan(value)
    }


def _shown(cell: Cell, decimals: int) -> float | None:
    return None if cell.value is None else float(f"{cell.value:.{decimals}f}")


def _troubles(records: Sequence[Record]) -> tuple[str, ...]:
    """Why records are not "ok", each reason once."""
    reasons: dict[tuple[str, str], list[int]] = {}
    for record in records:
        if record.status != "ok":
            reasons.setdefault((record.status, record.reason or ""), []).append(record.identity.seed)
    lines = []
    for (status, reason), seeds in reasons.items():
        which = f" (seed {', '.join(map(str, seeds))})" if len(records) > 1 else ""
        lines.append(f"{status.capitalize()}{which}: {reason}")
    return tuple(lines)


def _interval(record: Record, metric: Metric) -> tuple[float, float] | None:
    found = record.intervals.get(metric.aggregation, {}).get(metric.name)
    if found is None or not all(map(math.isfinite, found)):
        return None
    return found[0] * 100, found[1] * 100


def _bound(records: Sequence[Record], metric: Metric, decimals: int) -> tuple[str, ...]:
    if metric.aggregation != "pooled":
        return ()
    bound = 100 * max(record.error_bounds.get(metric.name, 0.0) for record in records)
    if not bound > 0.5 * 10**-decimals:
        return ()
    return (f"Pooled {metric.name} is exact to ±{bound:.2g}.",)
