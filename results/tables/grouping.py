"""Which records may stand in one grid, and which in one row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...benchmark.interfaces import Preset, Protocol, Task
from ...benchmark.storage.identity import Identity, flat
from ...benchmark.storage.record import Record
from ...benchmark.storage.store import canonical
from ..table_spec import RowSpec


@dataclass(frozen=True)
class Setting:
    """What the records of one grid agree on, besides task and segmenter."""

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
        """A record's setting."""
        who = record.identity
        return cls(
            who.dataset,
            who.variant,
            who.dataset_revision,
            who.samples_hash,
            who.train_dataset,
            who.train_variant,
            who.train_samples_hash,
            who.protocol,
            who.preset,
            who.precision,
        )

    @property
    def order(self) -> tuple[Any, ...]:
        """Sorts protocols and presets as they are declared."""
        protocol, preset = list(Protocol).index(self.protocol), list(Preset).index(self.preset)
        rest = (self.train_dataset, self.train_variant or "", self.precision)
        hashes = (self.dataset_revision, self.samples_hash, self.train_samples_hash)
        return (self.dataset, self.variant or "", protocol, preset, *rest, *hashes)


@dataclass(frozen=True)
class Run:
    """The records of one configuration, one a seed, under the label of their row."""

    label: str
    row: RowSpec | None
    records: tuple[Record, ...]

    @property
    def method(self) -> str:
        """Name of the method's plugin."""
        return self.records[0].identity.method


def narrowed(records: Iterable[Record], **asked: str | None) -> list[Record]:
    """The records whose identity has what was asked for: field -> value, None for any."""
    return [
        record
        for record in records
        if all(value in (None, getattr(record.identity, name)) for name, value in asked.items())
    ]


def group_records(records: Iterable[Record]) -> dict[tuple[Task, str, Setting], list[Record]]:
    """The records of every grid: task, segmenter, setting. Of several with one identity the latest counts."""
    latest: dict[str, Record] = {}
    for record in records:
        key = record.identity.key
        if key not in latest or latest[key].provenance.created <= record.provenance.created:
            latest[key] = record
    groups: dict[tuple[Task, str, Setting], list[Record]] = defaultdict(list)
    for record in latest.values():
        groups[record.identity.task, record.identity.segmenter, Setting.of(record)].append(record)
    return dict(groups)


def runs_of(records: Sequence[Record], rows: Sequence[RowSpec]) -> list[Run]:
    """The records of one grid by configuration, each labelled by whatever sets it apart in its row.

    Args:
        rows: the paper's; a configuration that fits none is labelled with its method's name.
    """
    usual = _most_common_setup(records)
    slots: dict[tuple[str | None, str], list[tuple[Record, ...]]] = defaultdict(list)
    found: dict[tuple[str | None, str], RowSpec | None] = {}
    for group in _by_configuration(records):
        who = group[0].identity
        row = next((r for r in rows if r.matches(who.method, who.method_config, _teacher(who))), None)
        if who.tuned is not None:  # a value that was found here is not the published one, even if equal
            row = None
        slot = (row.label if row else None, who.method)
        slots[slot].append(group)
        found[slot] = row
    runs = []
    for slot, groups in slots.items():
        row = found[slot]
        near = [r for r in rows if row is None and r.method == slot[1]]
        varying = _varying([_facts(group[0].identity) for group in groups])
        for group in groups:
            facts = _facts(group[0].identity)
            unlike = {k for r in near for k, value in r.config.items() if facts.get(k, value) != value}
            apart = _apart(group[0].identity, varying | unlike, usual, row)
            label = row.label if row else slot[1]
            runs.append(Run(f"{label} ({apart})" if apart else label, row, group))
    return sorted(runs, key=lambda run: (run.method, run.label))


def _by_configuration(records: Sequence[Record]) -> list[tuple[Record, ...]]:
    """Records that differ in nothing but the seed."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        asked = record.identity.asked
        groups[canonical({name: value for name, value in asked.items() if name != "seed"})].append(record)
    return [tuple(sorted(group, key=lambda r: r.identity.seed)) for group in groups.values()]


def _setup(who: Identity) -> dict[str, Any]:
    """How the segmenter was configured, and a foreign checkpoint."""
    facts = flat(who.segmenter_config, f"{who.segmenter}.")
    if who.segmenter_seed is not None:
        facts["segmenter seed"] = who.segmenter_seed
    return facts | {"checkpoint": who.segmenter_checkpoint[:12] if who.segmenter_checkpoint else "none"}


def _most_common_setup(records: Sequence[Record]) -> dict[str, Any]:
    setups = {canonical(_setup(record.identity)): _setup(record.identity) for record in records}
    counts = Counter(canonical(_setup(record.identity)) for record in records)
    return setups[min(counts, key=lambda text: (-counts[text], text))]


def _teacher(who: Identity) -> str | None:
    """The segmenter that the method was fitted on, where it is another."""
    return who.train_segmenter if who.train_segmenter != who.segmenter else None


def _facts(who: Identity) -> dict[str, Any]:
    """All that may differ between the configurations of one row."""
    teacher = who.train_segmenter or who.segmenter
    facts = flat(who.method_config) | _setup(who)
    if who.tuned is not None:
        facts |= dict.fromkeys(who.tuned.options, f"tuned on {who.tuned.split}")
    facts |= flat(who.train_segmenter_config or {}, f"fitted on {teacher}.")
    if who.train_segmenter_checkpoint:
        facts[f"fitted on {teacher}.checkpoint"] = who.train_segmenter_checkpoint[:12]
    return facts | {"fitted on": teacher}


def _apart(who: Identity, keys: set[str], usual: Mapping[str, Any], row: RowSpec | None) -> str:
    """What sets a configuration apart, as "key=value, ..."; empty where nothing does."""
    facts = _facts(who)
    setup = _setup(who)
    keys = keys | {key for key in setup.keys() | usual.keys() if setup.get(key) != usual.get(key)}
    teacher = _teacher(who)
    if teacher and (row is None or row.train_segmenter != teacher):
        keys |= {"fitted on"}
    return ", ".join(f"{key}={facts.get(key, 'unset')}" for key in sorted(keys))


def _varying(facts: Sequence[Mapping[str, Any]]) -> set[str]:
    keys = {key for one in facts for key in one}
    return {key for key in keys if len({canonical({"": one.get(key)}) for one in facts}) > 1}
