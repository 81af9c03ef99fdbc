"""The line above a grid: data, segmenter, aggregations, protocol, preset and seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from ..grid_records import GridRecords
from ..table_spec import Section, TableSpec
from .content import Column


def published_facts(spec: TableSpec, section: Section, segmenter: str) -> dict[str, Any]:
    """The facts about a grid that has no measured numbers."""
    return {
        "section": section.title,
        "task": section.task.value,
        "dataset": spec.dataset,
        "segmenter": segmenter,
        "origin": "published",
    }


def measured_facts(spec: TableSpec, section: Section, grid: GridRecords) -> dict[str, Any]:
    """The facts about a grid of measured numbers. The segmenter's mean IoU is in percent, None if unknown."""
    setting = grid.setting
    qualities = [record.segmenter_quality for record in grid.records]
    overlaps = [quality.mIoU for quality in qualities if quality and math.isfinite(quality.mIoU)]
    return {
        "section": section.title,
        "task": section.task.value,
        "dataset": setting.dataset,
        "variant": setting.variant,
        "train_dataset": setting.train_dataset,
        "train_variant": setting.train_variant,
        "segmenter": grid.segmenter,
        "origin": _origin(spec, grid),
        "protocol": setting.protocol.value,
        "preset": setting.preset.value,
        "seeds": len({record.identity.seed for record in grid.records}),
        "images": max(record.identity.n_samples for record in grid.records),
        "precision": setting.precision,
        "mIoU": 100 * statistics.fmean(overlaps) if overlaps else None,
    }


def caption(facts: dict[str, Any], columns: Sequence[Column], with_iou: bool = False) -> str:
    """The facts about a grid in one line. `with_iou`: with the segmenter's mean IoU."""
    return " | ".join(_parts(facts, columns, with_iou))


def _origin(spec: TableSpec, grid: GridRecords) -> str:
    if not spec.published:
        return "measured"
    if grid.setting.is_release(spec):
        return "published and measured"
    return "measured here, on other data than the paper's"


def _parts(facts: dict[str, Any], columns: Sequence[Column], with_iou: bool) -> Iterator[str]:
    yield facts["section"]
    yield _data(facts["dataset"], facts.get("variant"))
    if facts["segmenter"]:
        overlap = facts.get("mIoU") if with_iou else None
        yield f"segmenter {facts['segmenter']}" + ("" if overlap is None else f" (mIoU {overlap:.2f})")
    if facts.get("train_dataset") not in (None, facts["dataset"]):
        yield f"trained on {_data(facts['train_dataset'], facts['train_variant'])}"
    if facts.get("origin"):
        yield facts["origin"]
    yield _aggregations(columns)
    if "protocol" in facts:
        seeds = facts["seeds"]
        yield f"protocol {facts['protocol']}, preset {facts['preset']}"
        yield f"{seeds} seed{'s' if seeds > 1 else ''}, {facts['images']} images"
        if facts["precision"] != "32":
            yield f"precision {facts['precision']}"
    if facts.get("devices"):
        yield facts["devices"]


def _data(dataset: str, variant: str | None) -> str:
    return f"{dataset} (variant {variant})" if variant else dataset


def _aggregations(columns: Sequence[Column]) -> str:
    """The aggregation of every metric, such as "MAE, STD per-class; AUROC pooled"."""
    names: dict[str, dict[str, None]] = {}
    for column in columns:
        names.setdefault(column.aggregation, {})[column.name] = None
    return "; ".join(f"{', '.join(metrics)} {aggregation}" for aggregation, metrics in names.items())
