"""Grids of costs (`bench table --cost`): seconds a frame and peak memory of the runs that finished."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from ...benchmark.storage.record import Record
from ..grid_records import GridRecords, grid_records
from ..labelled_runs import runs_of
from ..table_request import TableRequest
from ..table_spec import Section
from .caption import caption, measured_facts
from .content import Cell, Column, Grid, Row

CostOf = Callable[[Record], float | None]
"""From a record to a cost in the unit of its column; None where the record does not hold the cost."""

TOTAL, OWN, HOST, DEVICE = "s a frame", "its own", "host MiB", "device MiB"
"""The columns: seconds a frame with the segmenter and without it, peak memory of the host and of the GPU."""


def cost_grids(request: TableRequest, section: Section) -> list[Grid]:
    """A grid for each setting, with a row for each run that finished."""
    finished = [record for record in request.records if record.status == "ok"]
    return [
        _cost_grid(request, section, measured)
        for measured in grid_records(request.spec, section.task, finished)
    ]


def _cost_grid(request: TableRequest, section: Section, measured: GridRecords) -> Grid:
    runs = runs_of(measured.records, request.spec.rows(section.task, measured.segmenter))
    rows = [
        Row(run.label, run.method, tuple(_cost_cell(run.records, column) for column in COLUMNS))
        for run in runs
    ]
    facts = measured_facts(request.spec, section, measured)
    devices = sorted({record.provenance.device_name for record in measured.records})
    facts |= {"section": f"{section.title}, cost", "devices": "; ".join(devices)}
    return Grid(caption(facts, COLUMNS), facts, COLUMNS, tuple(rows))


def _cost_cell(records: Sequence[Record], column: Column) -> Cell:
    """The mean over the seeds of one configuration, in the unit of the column."""
    costs = [cost for record in records if (cost := COSTS[column.name](record)) is not None]
    if not costs:
        return Cell("empty")
    std = statistics.stdev(costs) if len(costs) > 1 else None
    return Cell("value", value=statistics.fmean(costs), std=std, n=len(costs), notes=_notes(records, column))


def _seconds_a_frame(*stages: str) -> CostOf:
    """The time of some stages, of those that a record has, over the number of images."""

    def cost(record: Record) -> float | None:
        seconds = [record.timings[stage] for stage in stages if stage in record.timings]
        images = record.identity.n_samples
        return sum(seconds) / images if seconds and images else None

    return cost


def _mebibytes(count: int | None) -> float | None:
    return None if count is None else count / 2**20


COSTS: dict[str, CostOf] = {
    TOTAL: _seconds_a_frame("predict", "score"),
    OWN: _seconds_a_frame("score"),
    HOST: lambda record: _mebibytes(record.peak_memory_bytes),
    DEVICE: lambda record: _mebibytes(record.peak_device_bytes),
}
DECIMALS = {TOTAL: 4, OWN: 4, HOST: 0, DEVICE: 0}
COLUMNS = tuple(
    Column(name, "cost", higher_is_better=False, decimals=decimals) for name, decimals in DECIMALS.items()
)


def _notes(records: Sequence[Record], column: Column) -> tuple[str, ...]:
    """What a cost includes beyond the method, and how to measure the method alone."""
    others = {record.runs_in_pass for record in records} - {1}
    notes = []
    if column.name == TOTAL and others:
        numbers = sorted("an unknown number of" if number is None else str(number) for number in others)
        notes.append(
            f"The segmenter's pass was shared by {' or '.join(numbers)} runs and computed what any of them "
            "needs. To measure the cost of one method alone, run the method alone."
        )
    if column.name == OWN and others:
        notes.append(
            "This is the time beyond the segmenter's pass, as if the method ran alone. Features, dropout "
            "passes and ensemble members are part of the segmenter's pass."
        )
    if column.name == OWN and any("metrics" not in record.timings for record in records):
        notes.append(
            "The time includes that of the metrics, since the record is of an older version. Run the method "
            "again to measure the method alone."
        )
    if column.name == HOST and others:
        notes.append(
            "This is the memory of the whole process with all runs in it. To measure one method alone, run "
            "the method alone."
        )
    return tuple(notes)
