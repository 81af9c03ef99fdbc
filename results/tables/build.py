"""Fills a table from records: published and measured numbers side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ...benchmark.interfaces import Preset, Protocol
from ...benchmark.interfaces.errors import UnknownNameError
from ...benchmark.storage.record import Record
from ..grid_records import narrowed
from ..table_request import AGGREGATIONS, TableRequest
from ..table_spec import Section, TableSpec
from .content import Grid, Table
from .cost import cost_grids
from .metrics_grid import metrics_grids
from .per_class import per_class_grids

MakeGrids = Callable[[TableRequest, Section], list[Grid]]
"""A kind of grid: from a request to the grids of one section."""


def build_table(
    spec: TableSpec,
    records: Iterable[Record],
    *,
    dataset: str | None = None,
    variant: str | None = None,
    protocol: Protocol | str | None = None,
    preset: Preset | str | None = None,
    aggregation: str | None = None,
    all_metrics: bool = False,
    per_class: bool = False,
    cost: bool = False,
) -> Table:
    """Fill a table.

    Runs on the official release of the table's data set stand beside the published numbers. Runs on other
    data (a variant, a generated data set) make grids of their own below. Runs that differ in data, protocol,
    preset or precision make separate grids, runs that differ in configuration separate rows.

    Args:
        dataset: keep the records of this data set, which the table need not name.
        variant, protocol, preset: keep the records that have it.
        aggregation: "per-image" or "pooled", for all pixel metrics; None for the published aggregations.
        all_metrics: also print the metrics that the paper does not print, and the segmenter's mean IoU.
        per_class: print every class in place of averages over classes.
        cost: print seconds a frame and peak memory in place of metrics.

    Raises:
        UnknownNameError: no such aggregation.
    """
    if aggregation is not None and aggregation not in AGGREGATIONS:
        raise UnknownNameError("aggregation", aggregation, AGGREGATIONS)
    of_data = _of_data(spec, records, dataset)
    chosen = narrowed(of_data, variant=variant, protocol=protocol, preset=preset)
    request = TableRequest(spec, tuple(chosen), dataset, variant, aggregation, all_metrics)
    make: MakeGrids = cost_grids if cost else per_class_grids if per_class else metrics_grids
    grids = tuple(grid for section in spec.sections for grid in make(request, section))
    hints = () if chosen else (_what_to_do(spec, of_data, dataset),)
    if per_class and not grids and not hints:
        hints = ("No metric of this table has values for single classes: leave out --per-class.",)
    return Table(spec, grids, hints)


def _of_data(spec: TableSpec, records: Iterable[Record], dataset: str | None) -> list[Record]:
    """The records of the table's tasks and methods on a data set, or on any that the table names."""
    tasks = {section.task for section in spec.sections}
    datasets = {dataset} if dataset else {spec.dataset, *spec.more_datasets}
    methods = {row.method for row in spec.published_rows}
    return [
        record
        for record in records
        if record.identity.task in tasks
        and record.identity.dataset in datasets
        and (spec.unpublished_methods or record.identity.method in methods)
    ]


def _what_to_do(spec: TableSpec, of_data: Sequence[Record], dataset: str | None) -> str:
    """What to do where no record fits the request. `of_data`: the records of any variant and setting."""
    if of_data:
        counts = Counter(
            f"protocol {record.identity.protocol}, preset {record.identity.preset}" for record in of_data
        )
        others = "; ".join(f"{number} with {setting}" for setting, number in sorted(counts.items()))
        return f"No record fits the options of this table. There are others: {others}."
    name = dataset or next(iter(spec.more_datasets), spec.dataset)
    tasks = ",".join(section.task for section in spec.sections)
    return f"Nothing measured yet. To fill this table: bench run --method all --dataset {name} --task {tasks}"
