"""What a user asks of a table: which records may fill the table, and which numbers of theirs."""

from __future__ import annotations

from dataclasses import dataclass

from ..benchmark.storage.record import Record
from .table_spec import TableSpec

AGGREGATIONS = ("per-image", "pooled")
"""The aggregations that pixel metrics have in every record, so that a user may ask for either."""


@dataclass(frozen=True)
class TableRequest:
    """One table with the options of `bench table`.

    Attributes:
        records: the records that fit the table and the options, of all tasks.
        dataset, variant: the data that was asked for; None where any may fill the table.
        aggregation: one of `AGGREGATIONS` in place of the published one; None for the published one.
        all_metrics: also print the metrics that the paper does not print, and the segmenter's mean IoU.
    """

    spec: TableSpec
    records: tuple[Record, ...]
    dataset: str | None = None
    variant: str | None = None
    aggregation: str | None = None
    all_metrics: bool = False
