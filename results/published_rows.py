"""Reads published numbers from CSV files: one line for each (task, row, segmenter)."""

from __future__ import annotations

import csv
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..benchmark.interfaces import Task
from ..benchmark.interfaces.errors import BenchError

FACTS = ("task", "label", "method", "config", "segmenter", "train_segmenter", "source", "footnote")
OPTIONAL = ("aggregation",)
"""All other columns of the CSV are metrics."""


@dataclass(frozen=True)
class PublishedRow:
    """One published row.

    Attributes:
        label: as printed in the publication.
        method: the name of the method that measures the row; None where no method here does.
        config: option of the method -> value, of the options that single the row out.
        train_segmenter: the segmenter on whose predictions the method was fitted; None for `segmenter`.
        values: metric -> percent as printed; metrics that were not published are absent.
        source: publication and table.
        footnote: what is known to be wrong with the numbers, or "".
        aggregation: of all values of the row, where rows of one file differ in their aggregation; "" where
            the aggregation is not known.
    """

    task: Task
    label: str
    method: str | None
    config: Mapping[str, Any]
    segmenter: str
    train_segmenter: str | None
    values: Mapping[str, float]
    source: str
    footnote: str
    aggregation: str = ""


def read_published(resource: str) -> tuple[PublishedRow, ...]:
    """Read a CSV whose columns are `FACTS`, the names of metrics, and optionally those of `OPTIONAL`.

    The column `config` holds "key=value" pairs separated by spaces. A value is JSON where it parses as such,
    otherwise text.

    Args:
        resource: "package:path"; "" stands for no file, and gives no rows.

    Raises:
        BenchError: the file is missing, or a line is malformed; names the file and the line.
    """
    if not resource:
        return ()
    package, _, path = resource.partition(":")
    try:
        file = importlib.resources.files(package).joinpath(*path.split("/"))
        lines = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    except (ImportError, OSError) as error:
        raise BenchError(f"published table {resource} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=2):
        try:
            rows.append(_row(line))
        except (KeyError, ValueError, AttributeError) as error:
            raise BenchError(f"published table {resource}, line {number}: {error!r}") from error
    return tuple(rows)


def _row(line: dict[str, str]) -> PublishedRow:
    return PublishedRow(
        task=Task(line["task"]),
        label=line["label"],
        method=line["method"] or None,
        config=dict(_option(pair) for pair in line["config"].split()),
        segmenter=line["segmenter"],
        train_segmenter=line["train_segmenter"] or None,
        values={name: float(text) for name, text in line.items() if name not in FACTS + OPTIONAL and text},
        source=line["source"],
        footnote=line["footnote"],
        aggregation=line.get("aggregation", ""),
    )


def _option(pair: str) -> tuple[str, Any]:
    key, equals, text = pair.partition("=")
    if not equals:
        raise ValueError(f"config '{pair}' is not of the form key=value")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text
