"""How options came to their values, where a reader of numbers must know: footnotes of a row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...benchmark.storage.record import Record


def choices(records: Sequence[Record]) -> tuple[str, ...]:
    """Footnotes of a row: what was set or chosen, what was compared on test labels or is owed to them."""
    notes = [_changed(each.extra["changed"]) for each in records if each.extra.get("changed")]
    notes += [_compared(each.extra["compared"]) for each in records if each.extra.get("compared")]
    for record in records:
        owed: Any = record.extra.get("caveats", ())
        notes += owed
    chosen: dict[str, list[int]] = {}
    for record in records:
        if record.extra.get("tuning"):
            chosen.setdefault(_chosen(record.extra["tuning"]), []).append(record.identity.seed)
    for text, seeds in chosen.items():
        which = f"Seed {', '.join(map(str, seeds))}: " if len(records) > 1 else ""
        notes.append(which + text)
    return tuple(dict.fromkeys(notes))


def _changed(found: Any) -> str:
    values = ", ".join(f"{option}={json.dumps(value, ensure_ascii=False)}" for option, value in found.items())
    return f"Set for this run, not the method's own: {values}."


def _compared(found: Any) -> str:
    parts = [f"{len(values)} values of {option}" for option, values in found["options"].items()]
    return (
        f"{' and '.join(parts)} were compared on the {found['split']} split: to take the best of them is to "
        "choose on its labels. bench run --tune-on validation chooses on held-out data."
    )


def _chosen(found: Any) -> str:
    values = ", ".join(f"{option}={value}" for option, value in found["chosen"].items())
    why = f", since {found['reason']}" if found["reason"] else ""
    return (
        f"{values}, best of {len(found['trials'])} by {found['metric']} ({found['aggregation']}) on "
        f"{found['images']} images of {found['split']}{why}."
    )
