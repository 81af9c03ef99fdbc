"""Grids of metrics: published numbers, alone or beside measured ones, and numbers measured on other data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...benchmark.evaluation.metric_catalogue import Metric
from ...benchmark.storage.record import Record
from ..grid_records import GridRecords, grid_records
from ..labelled_runs import Run, runs_of
from ..published_rows import PublishedRow, read_published
from ..table_request import AGGREGATIONS, TableRequest
from ..table_spec import RowSpec, Section
from .caption import caption, measured_facts, published_facts
from .cells import mark_best, measured_cell, published_cell
from .content import Cell, Column, Grid, Row, Source
from .footnotes import row_notes


def metrics_grids(request: TableRequest, section: Section) -> list[Grid]:
    """The grids of a section, in the order in which they are printed.

    First a grid for each segmenter of the paper, with measured columns where runs on the paper's data exist;
    then the grid of later work; then a grid for each setting without published numbers.
    """
    spec = request.spec
    beside: dict[str, list[Grid]] = {segmenter: [] for segmenter in spec.segmenters}
    below = []
    for measured in grid_records(spec, section.task, request.records):
        if measured.setting.is_release(spec) and measured.segmenter in beside:
            grid = _measured_grid(request, section, measured, ("published", "measured"))
            beside[measured.segmenter].append(grid)
        else:
            below.append(_measured_grid(request, section, measured, ("measured",)))
    grids = [
        grid
        for segmenter, filled in beside.items()
        for grid in filled or [_published_grid(request, section, segmenter)]
    ]
    grids += [*_later_work(request, section), *below]
    if not request.records and request.dataset not in (None, spec.dataset):
        grids.append(_empty_grid(request, section))
    return [grid for grid in grids if grid.rows]


def _published_grid(request: TableRequest, section: Section, segmenter: str) -> Grid:
    """The published rows of a segmenter that was not run on the paper's data.

    Columns of measured numbers that say "not run" are added where a run on the paper's data could fill them:
    where the request does not exclude such a run, and no other run fills the table.
    """
    allowed = request.dataset in (None, request.spec.dataset) and not request.variant
    fillable = allowed and not request.records
    columns = _columns(request, section, ("published", "measured") if fillable else ("published",))
    rows = [
        row
        for paper_row in request.spec.rows(section.task, segmenter)
        for row in _paper_rows(request, section, segmenter, paper_row, [], columns)
    ]
    return _grid(request, published_facts(request.spec, section, segmenter), columns, rows)


def _measured_grid(
    request: TableRequest, section: Section, measured: GridRecords, sources: Sequence[Source]
) -> Grid:
    """The paper's rows, filled with measured numbers, then the runs that no row of the paper is about."""
    columns = _columns(request, section, sources)
    paper_rows = request.spec.rows(section.task, measured.segmenter)
    runs = runs_of(measured.records, paper_rows)
    rows = []
    for paper_row in paper_rows:
        own = [run for run in runs if run.row == paper_row]
        rows += _paper_rows(request, section, measured.segmenter, paper_row, own, columns)
    rows += [_run_row(request, run, columns, None) for run in runs if run.row is None]
    return _grid(request, measured_facts(request.spec, section, measured), columns, rows)


def _empty_grid(request: TableRequest, section: Section) -> Grid:
    """The rows that runs on the data set that was asked for would fill."""
    columns = _columns(request, section, ("measured",))
    facts = {
        "section": section.title,
        "task": section.task.value,
        "dataset": request.dataset,
        "segmenter": None,
    }
    rows = [
        row
        for paper_row in request.spec.rows(section.task, "")
        for row in _paper_rows(request, section, "", paper_row, [], columns)
    ]
    return _grid(request, facts, columns, rows)


def _later_work(request: TableRequest, section: Section) -> list[Grid]:
    """Numbers of later papers as printed there. No number is marked as best, since the networks differ."""
    rows = [row for row in read_published(request.spec.later_work) if row.task is section.task]
    if not rows:
        return []
    columns = tuple(Column.of_metric(metric, "published", "as printed") for metric in section.entries())
    facts = {
        "section": f"later work: {section.title}",
        "task": section.task.value,
        "dataset": request.spec.dataset,
        "segmenter": None,
        "origin": "published by others, with networks of their own",
    }
    return [Grid(caption(facts, columns), facts, columns, tuple(_later_row(row, columns) for row in rows))]


def _later_row(row: PublishedRow, columns: Sequence[Column]) -> Row:
    aggregation = f"Aggregation: {row.aggregation or 'not known'}."
    note = " ".join(part for part in (f"{row.source}.", aggregation, row.footnote) if part)
    cells = tuple(published_cell(row.values, column) for column in columns)
    return Row(row.label, row.method, cells, (note,))


def _columns(request: TableRequest, section: Section, sources: Sequence[Source]) -> tuple[Column, ...]:
    """A column for each metric and source, then those of `--all-metrics`, of which nothing is published."""
    columns = [_column(request, metric, source) for metric in section.entries() for source in sources]
    if request.all_metrics and "measured" in sources:
        more = section.entries(all_metrics=True)[len(section.metrics) :]
        columns += [_column(request, metric, "measured") for metric in more]
    return tuple(columns)


def _column(request: TableRequest, metric: Metric, source: Source) -> Column:
    """A column of the aggregation that was asked for. Published numbers have one aggregation only."""
    selectable = source == "measured" and metric.printed in AGGREGATIONS
    return Column.of_metric(metric, source, request.aggregation if selectable else None)


def _paper_rows(
    request: TableRequest,
    section: Section,
    segmenter: str,
    paper_row: RowSpec,
    runs: Sequence[Run],
    columns: Sequence[Column],
) -> list[Row]:
    """A row of the paper: a row for each run that fits. Published numbers and footnotes are on the first."""
    published = request.spec.published_row(section.task, segmenter, paper_row.label)
    rows = [
        _run_row(request, run, columns, published if place == 0 else None) for place, run in enumerate(runs)
    ]
    if not runs:
        cells = _cells(request, columns, published, ())
        rows = [Row(paper_row.label, paper_row.method, cells)]
    shows_published = any(column.source == "published" for column in columns)
    if published and published.footnote and shows_published:
        rows[0] = replace(rows[0], notes=(f"Published: {published.footnote}", *rows[0].notes))
    return rows


def _run_row(
    request: TableRequest, run: Run, columns: Sequence[Column], published: PublishedRow | None
) -> Row:
    """The row of one run, with the published numbers of the paper's row beside, if any."""
    cells = _cells(request, columns, published, run.records)
    return Row(run.label, run.method, cells, row_notes(run.records))


def _cells(
    request: TableRequest,
    columns: Sequence[Column],
    published: PublishedRow | None,
    records: Sequence[Record],
) -> tuple[Cell, ...]:
    values = published.values if published else {}
    return tuple(
        published_cell(values, column)
        if column.source == "published"
        else measured_cell(records, column, request.spec.decimals)
        for column in columns
    )


def _grid(
    request: TableRequest, facts: dict[str, Any], columns: tuple[Column, ...], rows: Sequence[Row]
) -> Grid:
    marked = mark_best(rows, columns, request.spec.decimals)
    return Grid(caption(facts, columns, request.all_metrics), facts, columns, marked)
