"""Grids of single classes (`bench table --per-class`), for metrics that are averages over classes."""

from __future__ import annotations

from dataclasses import replace

from ...benchmark.evaluation.metric_catalogue import Metric
from ..grid_records import GridRecords, grid_records
from ..labelled_runs import Run, runs_of
from ..table_request import TableRequest
from ..table_spec import Section
from .caption import caption, measured_facts
from .cells import mark_best, measured_cell
from .content import Column, Grid, Row
from .footnotes import row_notes


def per_class_grids(request: TableRequest, section: Section) -> list[Grid]:
    """A grid for each setting and metric, with a column for each class."""
    metrics = [metric for metric in section.entries() if metric.printed == "per-class"]
    return [
        _class_grid(request, section, metric, measured)
        for measured in grid_records(request.spec, section.task, request.records)
        for metric in metrics
    ]


def _class_grid(request: TableRequest, section: Section, metric: Metric, measured: GridRecords) -> Grid:
    spec = request.spec
    classes = dict.fromkeys(
        cls for record in measured.records for cls in record.per_class.get(metric.name, {})
    )
    column = Column.of_metric(metric, "measured")
    columns = tuple(replace(column, cls=cls) for cls in classes)
    paper_rows = spec.rows(section.task, measured.segmenter)

    def place(run: Run) -> int:
        return len(paper_rows) if run.row is None else paper_rows.index(run.row)

    rows = []
    for run in sorted(runs_of(measured.records, paper_rows), key=place):
        cells = tuple(measured_cell(run.records, column, spec.decimals) for column in columns)
        rows.append(Row(run.label, run.method, cells, row_notes(run.records)))
    facts = measured_facts(spec, section, measured)
    facts["section"] = f"{section.title}, {column.heading} of each class"
    marked = mark_best(rows, columns, spec.decimals)
    return Grid(caption(facts, columns, request.all_metrics), facts, columns, marked, by_class=True)
