"""What a method costs, from its records: seconds a frame and peak memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from ...benchmark.storage.record import Record
from ..table_spec import Metric
from .content import Cell, Column

COST = "cost"
"""Stands in the place of an aggregation."""

Value = Callable[[Record], float | None]


def _a_frame(*stages: str) -> Value:
    def value(record: Record) -> float | None:
        found = [record.timings[stage] for stage in stages if stage in record.timings]
        return sum(found) / record.identity.n_samples if found and record.identity.n_samples else None

    return value


def _mebibytes(count: int | None) -> float | None:
    return None if count is None else count / 2**20


VALUES: dict[str, Value] = {
    "s a frame": _a_frame("predict", "score"),
    "its own": _a_frame("score"),
    "host MiB": lambda record: _mebibytes(record.peak_memory_bytes),
    "device MiB": lambda record: _mebibytes(record.peak_device_bytes),
}
DECIMALS = {"s a frame": 4, "its own": 4, "host MiB": 0, "device MiB": 0}
COLUMNS = [Column(Metric(name, False, COST, decimals=DECIMALS[name]), "measured") for name in VALUES]


def measure_cost(records: Sequence[Record], column: Column) -> Cell:
    """The mean over the seeds of one configuration, in the column's own unit.

    Args:
        records: finished ones, at least one, differing in nothing but the seed.
    """
    values = [VALUES[column.metric.name](record) for record in records]
    known = [value for value in values if value is not None]
    if not known:
        return Cell("empty")
    std = statistics.stdev(known) if len(known) > 1 else None
    return Cell("value", value=statistics.fmean(known), std=std, n=len(known), notes=_notes(records, column))


def devices(records: Sequence[Record]) -> str:
    """The hardware that the records were made on."""
    return "; ".join(sorted({record.provenance.device_name for record in records}))


def _notes(records: Sequence[Record], column: Column) -> tuple[str, ...]:
    name = column.metric.name
    notes = []
    shared = {record.runs_in_pass for record in records} - {1}
    if name == "s a frame" and shared:
        runs = " or ".join(sorted("an unknown number of" if n is None else str(n) for n in shared))
        notes.append(
            f"The segmenter's pass was shared by {runs} runs and computed what any of them needs: run a "
            "method alone for its own."
        )
    if name == "its own" and shared:
        notes.append(
            "Beyond the segmenter's pass, as if it ran alone. Features, dropout passes and members are part "
            "of that pass."
        )
    if name == "its own" and any("metrics" not in record.timings for record in records):
        notes.append("With the time that its metrics took: the record is of an older version.")
    if name == "host MiB" and shared:
        notes.append("Of the whole process with all runs in it: run a method alone for its own.")
    return tuple(notes)
