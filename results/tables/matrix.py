"""The matrix: which methods were run on which data sets, and why others were not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ...benchmark.interfaces import Preset, Protocol, Task
from ...benchmark.storage.identity import Identity
from ...benchmark.storage.record import Record, Status
from ..grid_records import latest, narrowed
from ..table_spec import TableSpec
from .content import Cell, Column, Grid, Row, Table

SPEC = TableSpec("matrix", "every method on every data set", dataset="", sections=())
NO_SUCH_TASK = (
    "The method cannot do this task: pixel failures and anomalies need a score of each pixel, image failures "
    "the predicted quality of each class."
)
ORDER: tuple[Status, ...] = ("failed", "ok", "skipped")
"""The order in which states win where several runs share a cell."""
NOTHING = "Nothing measured yet. To fill this matrix: bench run --method all --dataset all --preset smoke"


class _Place(NamedTuple):
    """A column: a data set, with its variant in parentheses, and a task."""

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
    """A row for each method, a column for each data set and task. A cell says what became of the runs there.

    Args:
        methods: installed method -> its tasks. Methods that are not installed, but have records, come below.
        datasets: installed data set -> its tasks. Data sets and tasks without a record are listed below the
            matrix.
        needs: data set -> what a run on it must be given.
        dataset, variant, protocol, preset: keep the records that have it.
    """
    of_data = narrowed(records, dataset=dataset, protocol=protocol, preset=preset)
    asked = {name for name in datasets if dataset in (None, name)}
    not_run = _not_run(asked - {record.identity.dataset for record in of_data}, needs)
    chosen = latest(narrowed(of_data, variant=variant))
    if not chosen:
        return Table(SPEC, (), (NOTHING, *not_run))
    runs: dict[tuple[str, _Place], list[Record]] = defaultdict(list)
    for record in chosen:
        runs[record.identity.method, _place(record.identity)].append(record)
    grid = _grid(chosen, runs, methods)
    return Table(SPEC, (grid,), (*_other_tasks(chosen, datasets), *not_run))


def _grid(
    records: Sequence[Record],
    runs: Mapping[tuple[str, _Place], Sequence[Record]],
    methods: Mapping[str, Sequence[Task]],
) -> Grid:
    """The grid of all records. `runs`: the records of each cell, by method and column."""
    tasks = list(Task)
    places = sorted({place for _, place in runs}, key=lambda place: (place.data, tasks.index(place.task)))
    rows = []
    for name in dict.fromkeys([*methods, *sorted(name for name, _ in runs)]):
        can_do = methods.get(name, tasks)
        cells = (_cell(runs.get((name, place), ()), place.task in can_do) for place in places)
        rows.append(Row(name, name, tuple(cells)))
    captions = [_caption(data, records) for data in dict.fromkeys(place.data for place in places)]
    columns = tuple(Column(f"{place.data}: {place.task}", "state") for place in places)
    return Grid("  \n".join(captions), {}, columns, tuple(rows))


def _place(identity: Identity) -> _Place:
    name, variant = identity.dataset, identity.variant
    return _Place(f"{name} ({variant})" if variant else name, identity.task)


def _other_tasks(records: Sequence[Record], datasets: Mapping[str, Sequence[Task]]) -> list[str]:
    """A hint that names the tasks that were not run on data sets that have a column."""
    names = {_place(record.identity).data: record.identity.dataset for record in records}
    ran = {_place(record.identity) for record in records}
    lacking = [
        f"{task} of {data}"
        for data, name in sorted(names.items())
        for task in datasets.get(name, ())
        if _Place(data, task) not in ran
    ]
    return [f"Not run: {', '.join(lacking)} (add --task all)."] if lacking else []


def _not_run(names: Collection[str], needs: Mapping[str, str]) -> list[str]:
    """A hint for each need, that names the data sets without a record that have the need."""
    by_need: dict[str, list[str]] = defaultdict(list)
    for name, need in needs.items():
        if name in names:
            by_need[need].append(name)
    return [f"No run of {', '.join(alike)}. Needed: {need}." for need, alike in by_need.items()]


def _cell(records: Sequence[Record], can_do_task: bool) -> Cell:
    if not records:
        return Cell("not run") if can_do_task else Cell("no", notes=(NO_SUCH_TASK,))
    state = min((record.status for record in records), key=ORDER.index)
    reasons = [record.reason for record in records if record.status == state]
    return Cell(state, notes=tuple(dict.fromkeys(reason for reason in reasons if reason)))


def _caption(data: str, records: Sequence[Record]) -> str:
    runs = [record.identity for record in records if _place(record.identity).data == data]
    parts = {
        "segmenter": {identity.segmenter for identity in runs},
        "preset": {identity.preset.value for identity in runs},
        "protocol": {identity.protocol.value for identity in runs},
    }
    facts = ", ".join(f"{name} {' and '.join(sorted(values))}" for name, values in parts.items())
    return f"{data}: {facts}."
