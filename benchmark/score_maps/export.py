"""Writes the anomaly score maps of methods for other tools: `bench export`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ..evaluation.evaluators import pixel_scores
from ..interfaces import Task
from ..interfaces.errors import BenchError
from ..plugins.registry import Registry
from ..run.artifacts import Track
from ..run.plan import Cell, Group
from ..run.request import Request
from ..run.runner import pick_device
from ..run.test_pass import all_groups, ready, scored
from ..storage.store import Store
from .smiyc_files import TOP, require_hdf5, write_map


def export(
    request: Request, registry: Registry, folder: Path, track: Track, say: Callable[[str], None]
) -> list[Path]:
    """Write the score maps of every method on the test split. What is not trained yet is trained.

    Args:
        request: the methods and data sets; its tasks do not count.
        registry: the plugins.
        folder: for the maps.
        track: wraps an iterable in a progress bar: `track(iterable, description, total)`.
        say: shows a line to the user.

    Returns:
        The folder of each method and data set. The name of a method that runs several times on one data set
        (with seeds or swept options) is followed by the beginning of the key of the run's record.

    Raises:
        BenchError: a method fails, a method that was named does not score anomalies, or h5py is not
            installed.
    """
    require_hdf5()
    groups = all_groups(replace(request, tasks=(Task.ANOMALY,)), registry, say)
    for cell in (cell for group in groups for cell in group.cells):
        if cell.state == "skipped":
            skipped = f"{cell.entry.name} on {cell.identity.dataset}: {cell.reason}"
            if request.methods:
                raise BenchError(skipped)
            say(f"skipped {skipped}")
    folders = _folders(groups, folder)
    store, device = Store(request.workspace, say), pick_device(request.device)
    written: list[Path] = []
    for group in groups:
        stages = ready(request, group, store, device, track)
        # Scoring may change which cells wait.
        cells = group.waiting
        for sample, _, answers in scored(stages, group.data.test, cells):
            for cell, answer in answers:
                if isinstance(answer, Exception):
                    raise answer
                write_map(folders[id(cell)], sample.key, pixel_scores(sample, answer))
        written += [folders[id(cell)] for cell in cells]
    return written


def _folders(groups: Iterable[Group], folder: Path) -> dict[int, Path]:
    """The folder of each cell's maps, by `id`."""
    cells = [cell for group in groups for cell in group.cells]
    runs = Counter(_method_and_dataset(cell) for cell in cells)
    folders = {}
    for cell in cells:
        alone = runs[_method_and_dataset(cell)] == 1
        name = cell.entry.name if alone else f"{cell.entry.name}-{cell.identity.key[:8]}"
        folders[id(cell)] = folder / TOP / name / cell.identity.dataset
    return folders


def _method_and_dataset(cell: Cell) -> tuple[str, str]:
    return cell.entry.name, cell.identity.dataset
