"""Writes the anomaly score maps of methods for other tools: `bench export`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ..evaluation.score_checks import pixel_scores
from ..interfaces import Task
from ..interfaces.errors import BenchError
from ..planning.jobs import Group, Job
from ..planning.plan import plan_without_records
from ..planning.request import Request
from ..plugins.registry import Registry
from ..run.artifacts import Track
from ..run.fitting import fit_group
from ..run.runner import pick_device
from ..run.test_pass import TestPass
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
    groups = plan_without_records(replace(request, tasks=(Task.ANOMALY,)), registry, say)
    for job in (job for group in groups for job in group.jobs):
        if job.skipped is not None:
            skipped = f"{job.entry.name} on {job.identity.dataset}: {job.skipped}"
            if request.methods:
                raise BenchError(skipped)
            say(f"skipped {skipped}")
    folders = _folders(groups, folder)
    store, device = Store(request.workspace, say), pick_device(request.device)
    written: list[Path] = []
    for group in groups:
        fitting, fitted = fit_group(request, group, store, device, track)
        for scored in TestPass(fitting, group.data.test, fitted):
            for answer in scored.answers:
                place = folders[answer.fitted.job.identity.key]
                write_map(place, scored.sample.key, pixel_scores(scored.sample, answer.scores))
        written += [folders[job.identity.key] for job in group.waiting]
    return written


def _folders(groups: Iterable[Group], folder: Path) -> dict[str, Path]:
    """The folder of each job's maps, by the key of its record."""
    jobs = [job for group in groups for job in group.jobs]
    runs = Counter(_method_and_dataset(job) for job in jobs)
    folders = {}
    for job in jobs:
        alone = runs[_method_and_dataset(job)] == 1
        name = job.entry.name if alone else f"{job.entry.name}-{job.identity.key[:8]}"
        folders[job.identity.key] = folder / TOP / name / job.identity.dataset
    return folders


def _method_and_dataset(job: Job) -> tuple[str, str]:
    return job.entry.name, job.identity.dataset
