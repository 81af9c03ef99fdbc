"""The numbers of printed tables, kept in a file and compared with those of another version of the code.

A view is one table with one set of options, such as "table3--all-metrics". Its numbers are all cells that
`bench table --format json` prints, less words that may be rewritten: footnotes, and where a grid comes from.
"""

import gzip
import json
from pathlib import Path

from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.storage.record import read_records
from segalarm.results.tables.build import build_table
from segalarm.results.tables.render import render

OPTIONS = {
    "": {},
    "--aggregation_per-image": {"aggregation": "per-image"},
    "--aggregation_pooled": {"aggregation": "pooled"},
    "--all-metrics": {"all_metrics": True},
    "--cost": {"cost": True},
    "--dataset_roadanomaly": {"dataset": "roadanomaly"},
    "--per-class": {"per_class": True},
}
WORDS = ("notes", "origin")
NUMBERS = ("state", "value", "std", "n", "low", "high", "best")
HOW = (
    "Numbers of the tables of results/records. After a change of the records make this file anew: "
    "scripts/compare_tables dump FOLDER, then scripts/compare_tables pack FOLDER THIS_FILE."
)


def dump(records, folder):
    """Write every view of the registered tables as `bench table --format json` prints it."""
    registry, stored = load_registry(), read_records(records)
    folder.mkdir(parents=True, exist_ok=True)
    for name in registry.names("tables"):
        spec = registry.get("tables", name).load()
        for suffix, options in OPTIONS.items():
            text = render(build_table(spec, stored, **options), "json")
            (folder / f"{name}{suffix}.json").write_text(text + "\n")


def read(place):
    """View -> its cells, from a folder of dumps or from a file that `pack` wrote."""
    place = Path(place)
    if place.is_file():
        packed = json.loads(gzip.decompress(place.read_bytes()))
        fields = packed["fields"]
        return {
            view: [_without_nulls(dict(zip(fields, row, strict=True))) for row in rows]
            for view, rows in packed["views"].items()
        }
    views = {file.stem: json.loads(file.read_text()) for file in sorted(place.glob("*.json"))}
    return {
        view: [_without_nulls({k: v for k, v in cell.items() if k not in WORDS}) for cell in cells]
        for view, cells in views.items()
    }


def pack(views, file):
    """Write the cells of all views to one small file."""
    fields = list(dict.fromkeys(name for cells in views.values() for cell in cells for name in cell))
    rows = {view: [[cell.get(name) for name in fields] for cell in cells] for view, cells in views.items()}
    text = json.dumps({"how": HOW, "fields": fields, "views": rows}, separators=(",", ":"))
    file.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def differences(before, after):
    """A line for every view and cell that is not the same in both, in the order in which they are printed."""
    lines = [f"{view}: only before" for view in before if view not in after]
    lines += [f"{view}: only after" for view in after if view not in before]
    for view in (view for view in before if view in after):
        old, new = _by_place(before[view]), _by_place(after[view])
        lines += [f"{view}: only before: {place}" for place in old if place not in new]
        lines += [f"{view}: only after: {place}" for place in new if place not in old]
        for place in (place for place in old if place in new):
            if old[place] != new[place]:
                lines.append(f"{view}: {place}: {old[place]} before, {new[place]} after")
        if not lines and list(old) != list(new):
            lines.append(f"{view}: the cells are in another order")
    return lines


def _without_nulls(cell):
    return {name: value for name, value in cell.items() if value is not None}


def _by_place(cells):
    """Place of a cell in the table -> its numbers. Cells of the same place are told apart by their order."""
    by_place = {}
    for cell in cells:
        place = ", ".join(f"{name} {cell[name]}" for name in sorted(cell) if name not in NUMBERS)
        while place in by_place:
            place += " (again)"
        by_place[place] = {name: cell.get(name) for name in NUMBERS}
    return by_place
