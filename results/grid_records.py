"""Sorts records into the grids of a table.

Records that differ in data, protocol, preset, precision, task or segmenter never share a grid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..benchmark.interfaces import Preset, Protocol, Task
from ..benchmark.storage.record import Record
from .table_spec import TableSpec


@dataclass(frozen=True)
class Setting:
    """All that the records of one grid have in common, besides task and segmenter."""

    dataset: str
    variant: str | None
    dataset_revision: str
    samples_hash: str
    train_dataset: str
    train_variant: str | None
    train_samples_hash: str
    protocol: Protocol
    preset: Preset
    precision: str

    @classmethod
    def of(cls, record: Record) -> Setting:
        """The setting of a record."""
        return cls(**{field.name: getattr(record.identity, field.name) for field in fields(cls)})

    @property
    def order(self) -> tuple[Any, ...]:
        """Sorts settings by data, protocol, preset (both as they are declared), training data, precision."""
        protocol, preset = list(Protocol).index(self.protocol), list(Preset).index(self.preset)
        rest = (self.train_dataset, self.train_variant or "", self.precision)
        hashes = (self.dataset_revision, self.samples_hash, self.train_samples_hash)
        return (self.dataset, self.variant or "", protocol, preset, *rest, *hashes)

    def is_release(self, spec: TableSpec) -> bool:
        """Whether the data are the official release that the table's published numbers are of."""
        data = (self.dataset, self.variant, self.train_dataset, self.train_variant)
        return data == (spec.dataset, None, spec.dataset, None)


@dataclass(frozen=True)
class GridRecords:
    """The records of one grid: those of one task, segmenter and setting."""

    segmenter: str
    setting: Setting
    records: tuple[Record, ...]


def narrowed(records: Iterable[Record], **options: str | None) -> list[Record]:
    """The records whose identity has the given values. `options`: field -> value, None for any value."""
    return [
        record
        for record in records
        if all(value in (None, getattr(record.identity, name)) for name, value in options.items())
    ]


def latest(records: Iterable[Record]) -> list[Record]:
    """The records without those that a later record of the same identity replaces."""
    by_key: dict[str, Record] = {}
    for record in records:
        key = record.identity.key
        if key not in by_key or by_key[key].provenance.created <= record.provenance.created:
            by_key[key] = record
    return list(by_key.values())


def grid_records(spec: TableSpec, task: Task, records: Iterable[Record]) -> list[GridRecords]:
    """The records of each grid of a task, in the order of the grids.

    Grids of the table's own data set come first. Grids of one setting are in the order of the paper's
    segmenters, then by the segmenter's name.
    """
    groups: dict[tuple[str, Setting], list[Record]] = defaultdict(list)
    for record in latest(record for record in records if record.identity.task is task):
        groups[record.identity.segmenter, Setting.of(record)].append(record)

    def order(group: GridRecords) -> tuple[object, ...]:
        names = spec.segmenters
        place = names.index(group.segmenter) if group.segmenter in names else len(names)
        return (group.setting.dataset != spec.dataset, *group.setting.order, place, group.segmenter)

    grids = (GridRecords(segmenter, setting, tuple(own)) for (segmenter, setting), own in groups.items())
    return sorted(grids, key=order)
