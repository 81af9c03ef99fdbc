"""Which methods were run on which data sets, and why others were not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ...benchmark.interfaces import Preset, Protocol, Task
from ...benchmark.storage.identity import Identity
from ...benchmark.storage.record import Record, Status
from ..table_spec import Metric, TableSpec
from .content import Block, Cell, Column, Line, Table
from .grouping import group_records, narrowed

SPEC = TableSpec("matrix", "every method on every data set", "", (), (), (), "")
NO_SUCH_TASK = (
    "Not its task: pixel failures and anomalies need a score of each pixel, image failures the predicted "
    "quality of each class."
)
ORDER: tuple[Status, ...] = ("failed", "ok", "skipped")
"""Of several runs in one cell the first of these shows."""
NOTHING = "Nothing measured yet. Fill this matrix: bench run --method all --dataset all --preset smoke"


class _Place(NamedTuple):
    """A column."""

    data: str
    task: Task


def build_matrix(
    records: Iterable[Record],
    methods: Mapping[str, Sequence[Task]],
    datasets: Mapping[str, Sequence[Task]],
    needs: Mapping[str, str],
    *,
    dataset: str | None = None,
    variant: str | None = None,
    protocol: Protocol | str | None = None,
    preset: Preset | str | None = None,
) -> Table:
    """A line a method, a column a data set and task; a cell says what became of the runs there.

    Args:
        methods: those installed, with their tasks. Methods that the records alone know follow them.
        datasets: likewise; what was not run of them stands below the matrix.
        needs: data set -> what a run of it must be given.
        dataset, variant, protocol, preset: keep the records that have it.
    """
    known = [name for name in datasets if dataset in (None, name)]
    found = narrowed(records, dataset=dataset, protocol=protocol, preset=preset)
    absent = _absent(set(known) - {record.identity.dataset for record in found}, needs)
    asked = narrowed(found, variant=variant)
    latest = [record for group in group_records(asked).values() for record in group]
    if not latest:
        return Table(SPEC, (), (NOTHING, *absent))
    cells: dict[tuple[str, _Place], list[Record]] = defaultdict(list)
    for record in latest:
        cells[record.identity.method, _place(record.identity)].append(record)
    places = sorted({place for _, place in cells}, key=lambda each: (each.data, list(Task).index(each.task)))
    names = dict.fromkeys([*methods, *sorted(name for name, _ in cells)])
    lines = [
        Line(
            name,
            name,
            False,
            tuple(_cell(cells[name, place], place.task in methods.get(name, Task)) for place in places),
        )
        for name in names
    ]
    captions = [_caption(data, latest) for data in dict.fromkeys(place.data for place in places)]
    columns = tuple(
        Column(Metric(f"{place.data}: {place.task}", None, "state"), "measured") for place in places
    )
    hints = (*_other_tasks(latest, datasets), *absent)
    return Table(SPEC, (Block("  \n".join(captions), {}, columns, tuple(lines)),), hints)


def _place(who: Identity) -> _Place:
    return _Place(f"{who.dataset} ({who.variant})" if who.variant else who.dataset, who.task)


def _other_tasks(records: Sequence[Record], datasets: Mapping[str, Sequence[Task]]) -> list[str]:
    """The tasks without a column of data sets that have one."""
    names = {_place(record.identity).data: record.identity.dataset for record in records}
    ran = {_place(record.identity) for record in records}
    lacking = [
        f"{task} of {data}"
        for data, name in sorted(names.items())
        for task in datasets.get(name, ())
        if _Place(data, task) not in ran
    ]
    return [f"Not run: {', '.join(lacking)} (add --task all)."] if lacking else []


def _absent(names: Collection[str], needs: Mapping[str, str]) -> list[str]:
    """The data sets without a record, those of one need together."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name, need in needs.items():
        if name in names:
            alike[need].append(name)
    return [f"No run of {', '.join(each)}. Needed: {need}." for need, each in alike.items()]


def _cell(records: Sequence[Record], does_it: bool) -> Cell:
    if not records:
        return Cell("not run") if does_it else Cell("no", notes=(NO_SUCH_TASK,))
    state = min((record.status for record in records), key=ORDER.index)
    reasons = [record.reason for record in records if record.status == state]
    return Cell(state, notes=tuple(dict.fromkeys(filter(None, reasons))))


def _caption(data: str, records: Sequence[Record]) -> str:
    mine = [each.identity for each in records if _place(each.identity).data == data]
    parts = {
        "segmenter": {who.segmenter for who in mine},
        "preset": {who.preset.value for who in mine},
        "protocol": {who.protocol.value for who in mine},
    }
    return (
        f"{data}: " + ", ".join(f"{name} {' and '.join(sorted(each))}" for name, each in parts.items()) + "."
    )
