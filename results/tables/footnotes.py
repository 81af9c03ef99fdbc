"""Footnotes of a table: how the options of a row came to their values, and what a number leaves out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from ...benchmark.storage.json_types import Facts
from ...benchmark.storage.record import Record
from ...benchmark.storage.record_parts import Compared, Tuning
from .content import Column


def row_notes(records: Sequence[Record]) -> tuple[str, ...]:
    """How the options of a run came to their values.

    The footnotes name options that were set by hand, options whose values were compared on test labels,
    defaults that were chosen on test labels, and options that were chosen on held-out data.

    Args:
        records: of one configuration, one for each seed.
    """
    notes = [_changed(record.changed) for record in records if record.changed]
    notes += [_compared(record.compared) for record in records if record.compared]
    notes += [caveat for record in records for caveat in record.caveats]
    seeds: dict[str, list[int]] = {}
    for record in records:
        if record.tuning:
            seeds.setdefault(_chosen(record.tuning), []).append(record.identity.seed)
    for text, alike in seeds.items():
        which = f"Seed {', '.join(map(str, alike))}: " if len(records) > 1 else ""
        notes.append(which + text)
    return tuple(dict.fromkeys(notes))


def run_problems(records: Sequence[Record]) -> tuple[str, ...]:
    """Why runs failed or were skipped, each reason once, with the seeds that it is about."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for record in records:
        if record.status != "ok":
            seeds.setdefault((record.status, record.reason or ""), []).append(record.identity.seed)
    notes = []
    for (status, reason), alike in seeds.items():
        which = f" (seed {', '.join(map(str, alike))})" if len(records) > 1 else ""
        notes.append(f"{status.capitalize()}{which}: {reason}")
    return tuple(notes)


def why_undefined(records: Sequence[Record], column: Column) -> str:
    """Why a metric has no value on this data."""
    if column.cls is not None and not any(column.cls in _classes_with_values(record) for record in records):
        return f"No test image holds {column.cls}."
    return column.undefined or (
        f"{column.name} has no value on this data. If the metric was changed since, `bench run` makes the "
        "record anew."
    )


def cell_notes(records: Sequence[Record], column: Column, decimals: int) -> tuple[str, ...]:
    """What a reader of a number must know: how exact the number is, and what was left out of it.

    Args:
        records: finished ones, of one configuration.
        decimals: digits of the table.
    """
    return (
        *_inexact(records, column, decimals),
        *_classes_left_out(records, column),
        *_volumes_left_out(records, column),
    )


def _changed(options: Facts) -> str:
    values = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in options.items())
    return f"Options of this run were set by hand to other values than the method's own: {values}."


def _compared(compared: Compared) -> str:
    parts = [f"{len(values)} values of {option}" for option, values in compared.options.items()]
    return (
        f"{' and '.join(parts)} were compared on the {compared.split} split in this sweep. Reporting the "
        f"best of them would be choosing on {compared.split} labels: bench run --tune-on validation "
        "chooses on held-out data."
    )


def _chosen(tuning: Tuning) -> str:
    values = ", ".join(f"{option}={value}" for option, value in tuning.chosen.items())
    stand_in = f" {tuning.metric} was used because {tuning.reason}." if tuning.reason else ""
    return (
        f"{values} was chosen on held-out data: the best of {len(tuning.trials)} candidates by "
        f"{tuning.metric} ({tuning.aggregation}) on {tuning.images} images of the {tuning.split} split."
        f"{stand_in}"
    )


def _inexact(records: Sequence[Record], column: Column, decimals: int) -> tuple[str, ...]:
    if column.aggregation != "pooled":
        return ()
    bound = 100 * max(record.error_bounds.get(column.name, 0.0) for record in records)
    if not bound > 0.5 * 10**-decimals:
        return ()
    return (f"Pooled {column.name} is computed to within ±{bound:.2g}.",)


def _classes_left_out(records: Sequence[Record], column: Column) -> tuple[str, ...]:
    """Says so where the metric is undefined for some of the classes that an average is over."""
    if column.aggregation != "per-class" or column.cls is not None:
        return ()
    shares = set()
    for record in records:
        classes = _classes_with_values(record)
        if record.counts.get("classes_scored", len(classes)) < len(classes):
            continue  # the data set averages over some classes by intent
        values = record.per_class.get(column.name, {})
        defined = sum(not math.isnan(values.get(cls, 0.0)) for cls in classes)
        if defined < len(classes):
            shares.add(f"{defined} of {len(classes)}")
    if not shares:
        return ()
    note = f"{column.name} is the mean over {', '.join(sorted(shares))} classes that were scored."
    return (f"{note} {column.undefined}".strip(),)


def _volumes_left_out(records: Sequence[Record], column: Column) -> tuple[str, ...]:
    """Says in how many volumes a structure is absent: the structure has no Dice there."""
    if column.aggregation != "per-class":
        return ()
    absent = {
        (cls, count, record.counts["images"])
        for record in records
        for cls, count in record.images_without.items()
        if count and column.cls in (None, cls)
    }
    return tuple(
        f"{cls} is absent from {count} of {images} volumes, which have no Dice of {cls} and are left out."
        for cls, count, images in sorted(absent)
    )


def _classes_with_values(record: Record) -> set[str]:
    """The classes for which any metric is defined: those that occur in a test image."""
    return {
        cls for values in record.per_class.values() for cls, value in values.items() if not math.isnan(value)
    }
