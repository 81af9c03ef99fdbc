"""Sorts the records of one grid into runs, and labels each run by what sets it apart from the others.

Records that differ in anything but the seed never share a row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..benchmark.storage.identity import Identity, flat
from ..benchmark.storage.record import Record
from ..benchmark.storage.store import canonical
from .table_spec import RowSpec


@dataclass(frozen=True)
class Run:
    """The records of one configuration, one for each seed.

    Attributes:
        label: of the row that the run gets: the label of the paper's row or the name of the method, and what
            sets the run apart from others of the same label.
        row: the row of the paper that the run fills; None where the paper has no such row.
    """

    label: str
    row: RowSpec | None
    records: tuple[Record, ...]

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.records[0].identity.method


def runs_of(records: Sequence[Record], rows: Sequence[RowSpec]) -> list[Run]:
    """The records of one grid by configuration, sorted by method and label.

    Args:
        rows: the paper's. A run that fits none of them is labelled with its method's name.
    """
    usual = _most_common_setup(records)
    of_label: dict[tuple[str | None, str], list[tuple[Record, ...]]] = defaultdict(list)
    for group in _by_configuration(records):
        row = _row_of(group[0].identity, rows)
        of_label[row.label if row else None, group[0].identity.method].append(group)
    paper = {row.label: row for row in rows}
    runs = []
    for (label, method), groups in of_label.items():
        row = None if label is None else paper[label]
        for group, apart in zip(groups, _what_sets_apart(groups, row, rows, usual), strict=True):
            name = label or method
            runs.append(Run(f"{name} ({apart})" if apart else name, row, group))
    return sorted(runs, key=lambda run: (run.method, run.label))


def _by_configuration(records: Sequence[Record]) -> list[tuple[Record, ...]]:
    """Records that differ in nothing but the seed, by seed."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        asked = record.identity.asked
        groups[canonical({name: value for name, value in asked.items() if name != "seed"})].append(record)
    return [tuple(sorted(group, key=lambda record: record.identity.seed)) for group in groups.values()]


def _row_of(identity: Identity, rows: Sequence[RowSpec]) -> RowSpec | None:
    """The row of the paper that a run fills. A run whose options were chosen on held-out data fills none."""
    if identity.tuned is not None:
        return None
    options, teacher = identity.method_config, _teacher(identity)
    return next((row for row in rows if row.matches(identity.method, options, teacher)), None)


def _teacher(identity: Identity) -> str | None:
    """The segmenter that the method was fitted on; None where that is the segmenter that is judged."""
    return identity.train_segmenter if identity.train_segmenter != identity.segmenter else None


def _setup(identity: Identity) -> dict[str, Any]:
    """The configuration of the segmenter, the seed if all runs share one, and a foreign checkpoint."""
    facts = flat(identity.segmenter_config, f"{identity.segmenter}.")
    if identity.segmenter_seed is not None:
        facts["segmenter seed"] = identity.segmenter_seed
    checkpoint = identity.segmenter_checkpoint
    return facts | {"checkpoint": checkpoint[:12] if checkpoint else "none"}


def _most_common_setup(records: Sequence[Record]) -> dict[str, Any]:
    setups = {canonical(_setup(record.identity)): _setup(record.identity) for record in records}
    counts = Counter(canonical(_setup(record.identity)) for record in records)
    return setups[min(counts, key=lambda text: (-counts[text], text))]


def _facts(identity: Identity) -> dict[str, Any]:
    """All that may differ between the configurations of one row."""
    teacher = identity.train_segmenter or identity.segmenter
    facts = flat(identity.method_config) | _setup(identity)
    if identity.tuned is not None:
        facts |= dict.fromkeys(identity.tuned.options, f"tuned on {identity.tuned.split}")
    facts |= flat(identity.train_segmenter_config or {}, f"fitted on {teacher}.")
    if identity.train_segmenter_checkpoint:
        facts[f"fitted on {teacher}.checkpoint"] = identity.train_segmenter_checkpoint[:12]
    return facts | {"fitted on": teacher}


def _what_sets_apart(
    groups: Sequence[Sequence[Record]],
    row: RowSpec | None,
    rows: Sequence[RowSpec],
    usual: Mapping[str, Any],
) -> list[str]:
    """What sets each configuration apart, as "option=value, ..."; empty where nothing does.

    Named are the options that vary between the configurations; for runs that fit no row of the paper, the
    options that keep them out of their method's rows; and where the segmenter is not set up as usual, how.

    Args:
        groups: the records of each configuration, all of one method and row.
        usual: the most common setup of the segmenter in the grid.
    """
    identities = [group[0].identity for group in groups]
    varying = _varying([_facts(identity) for identity in identities])
    own_rows = [known for known in rows if row is None and known.method == identities[0].method]
    texts = []
    for identity in identities:
        facts, setup, teacher = _facts(identity), _setup(identity), _teacher(identity)
        options = varying | {
            option
            for known in own_rows
            for option, value in known.config.items()
            if facts.get(option, value) != value
        }
        options |= {
            option for option in setup.keys() | usual.keys() if setup.get(option) != usual.get(option)
        }
        if teacher and (row is None or row.train_segmenter != teacher):
            options |= {"fitted on"}
        texts.append(", ".join(f"{option}={facts.get(option, 'unset')}" for option in sorted(options)))
    return texts


def _varying(configurations: Sequence[Mapping[str, Any]]) -> set[str]:
    """The options that do not have one value in all configurations."""
    options = {option for facts in configurations for option in facts}
    return {
        option
        for option in options
        if len({canonical({"": facts.get(option)}) for facts in configurations}) > 1
    }
