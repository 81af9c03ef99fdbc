"""What is said above a grid: data, segmenter, aggregation, protocol, preset, seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from ...benchmark.storage.record import Record
from ..table_spec import Section, TableSpec
from .content import Column
from .grouping import Setting


def published_facts(spec: TableSpec, section: Section, segmenter: str) -> dict[str, Any]:
    """The facts of a grid that only the paper fills."""
    return {
        "section": section.title,
        "task": section.task.value,
        "dataset": spec.release,
        "segmenter": segmenter,
        "origin": "published",
    }


def measured_facts(
    section: Section, segmenter: str, setting: Setting, records: Sequence[Record], release: bool
) -> dict[str, Any]:
    """The facts of a grid that records fill; with the segmenter's mean IoU in percent, where it is known."""
    qualities = [record.segmenter_quality for record in records]
    overlaps = [quality.mIoU for quality in qualities if quality and math.isfinite(quality.mIoU)]
    return {
        "section": section.title,
        "task": section.task.value,
        "dataset": setting.dataset,
        "variant": setting.variant,
        "train_dataset": setting.train_dataset,
        "train_variant": setting.train_variant,
        "segmenter": segmenter,
        "origin": "published and measured" if release else "measured; not the data of the published numbers",
        "protocol": setting.protocol.value,
        "preset": setting.preset.value,
        "seeds": len({record.identity.seed for record in records}),
        "images": max(record.identity.n_samples for record in records),
        "precision": setting.precision,
        "mIoU": 100 * statistics.fmean(overlaps) if overlaps else None,
    }


def caption(facts: dict[str, Any], columns: Sequence[Column], overlap: bool = False) -> str:
    """One sentence that says what the numbers of a grid are; `overlap`: with the segmenter's mean IoU."""
    data = " ".join(
        filter(None, [facts["dataset"], facts.get("variant") and f"(variant {facts['variant']})"])
    )
    parts = [facts["section"], data]
    if facts["segmenter"]:
        known = overlap and facts.get("mIoU") is not None
        parts.append(f"segmenter {facts['segmenter']}" + (f" (mIoU {facts['mIoU']:.2f})" if known else ""))
    train = facts.get("train_dataset")
    if train and train != facts["dataset"]:
        variant = facts["train_variant"]
        parts.append(f"trained on {train}" + (f" (variant {variant})" if variant else ""))
    if facts.get("origin"):
        parts.append(facts["origin"])
    kinds: dict[str, list[str]] = {}
    for column in columns:
        names = kinds.setdefault(column.metric.aggregation, [])
        if column.metric.name not in names:
            names.append(column.metric.name)
    parts.append("; ".join(f"{', '.join(names)} {kind}" for kind, names in kinds.items()))
    if "protocol" in facts:
        seeds = facts["seeds"]
        parts.append(f"protocol {facts['protocol']}, preset {facts['preset']}")
        parts.append(f"{seeds} seed{'s' if seeds > 1 else ''}, {facts['images']} images")
        if facts["precision"] != "32":
            parts.append(f"precision {facts['precision']}")
    if facts.get("devices"):
        parts.append(facts["devices"])
    return " | ".join(parts)
