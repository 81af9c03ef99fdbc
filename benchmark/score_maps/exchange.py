"""Score maps that leave the benchmark and that come from outside: `bench export` and `bench score`."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.loading import load_batches
from ..evaluation.by_task import EVALUATORS, make_evaluator
from ..evaluation.evaluator import Evaluation
from ..evaluation.score_checks import pixel_scores
from ..interfaces import Scores, Task
from ..interfaces.errors import BenchError
from ..plugins.registry import Registry
from ..run.artifacts import Track
from ..run.plan import Cell, Data, check_names, data_facts, make_network, prepare_data, trained_on
from ..run.request import Request
from ..run.runner import numbers, peak_memory, pick_device, provenance, supplier
from ..run.test_pass import all_groups, ready, scored
from ..storage.code_hash import code_hash
from ..storage.identity import Identity
from ..storage.provenance import Plugin
from ..storage.record import Record
from ..storage.store import Store
from .smiyc_files import TOP, Maps, find_maps, hdf5, read_map, write_map

OUTSIDE = "outside"
"""The segmenter of a record of outside maps, where none is named."""


def export(
    request: Request, registry: Registry, folder: Path, track: Track, say: Callable[[str], None]
) -> list[Path]:
    """Write the score maps of every method on the test split; makes the stages that are not there yet.

    Returns:
        The folder of each method and data set. A method that runs several times on one data set (seeds,
        swept options) has the beginning of its record's key in its name.

    Raises:
        BenchError: a method does not score anomalies or fails, or h5py is not installed.
    """
    hdf5()
    every = all_groups(replace(request, tasks=(Task.ANOMALY,)), registry, say)
    for cell in (cell for group in every for cell in group.cells):
        if cell.state == "skipped":
            skipped = f"{cell.entry.name} on {cell.identity.dataset}: {cell.reason}"
            if request.methods:
                raise BenchError(skipped)
            say(f"skipped {skipped}")
    runs = Counter(_names(cell) for group in every for cell in group.cells)
    store, device = Store(request.workspace, say), pick_device(request.device)
    written: list[Path] = []
    for group in every:
        stages = ready(request, group, store, device, track)
        places = {}
        for cell in group.waiting:
            own = cell.entry.name if runs[_names(cell)] == 1 else f"{cell.entry.name}-{cell.identity.key[:8]}"
            places[id(cell)] = folder / TOP / own / cell.identity.dataset
        for sample, _, answers in scored(stages, group.data.test, group.waiting):
            for cell, answer in answers:
                if isinstance(answer, Exception):
                    raise answer
                write_map(places[id(cell)], sample.key, pixel_scores(sample, answer))
        written += places.values()
    return written


def _names(cell: Cell) -> tuple[str, str]:
    return cell.entry.name, cell.identity.dataset


def score(
    request: Request, registry: Registry, path: Path, name: str | None, track: Track
) -> tuple[Record, Path]:
    """Judge score maps that were made elsewhere, and write a record like any other.

    Args:
        request: one data set; segmenters: whose predictions the maps were made of, or none.
        path: see `find_maps`.
        name: of the method; None for that of its folder.

    Returns:
        The record, and its file.

    Raises:
        BenchError: a map is missing, of no sample, of another size, not readable or holds NaN; all scores are
            equal; the test split has no anomaly. Names key and file.
    """
    hdf5()
    check_names(request, registry)
    (dataset,) = request.datasets
    kind = registry.get("datasets", dataset).load()
    preset = request.preset or kind.info.default_preset
    data = prepare_data(request, dataset, preset, registry)
    train = trained_on(request, data, preset, registry)
    if Task.ANOMALY not in data.dataset.info.tasks:
        raise BenchError(f"{dataset} has no ground truth for {Task.ANOMALY}")
    maps = find_maps(path, dataset, [data.test[row].key for row in range(len(data.test))])
    segmenter = OUTSIDE
    facts: dict[str, Any] = {"config": {}, "checkpoint": None}
    if request.segmenters:
        (segmenter,) = request.segmenters
        checkpoint = request.checkpoint
        network = make_network(request, segmenter, preset, train, request.seeds[0], registry, checkpoint)
        facts = network.facts
    elif request.checkpoint:
        raise BenchError("--checkpoint is of a segmenter: name that with --segmenter")
    store = Store(request.workspace)
    began = time.perf_counter()
    found, content = _judge(request, data, maps, store, track)
    seconds = time.perf_counter() - began
    identity = Identity(
        **data_facts(data, train),
        segmenter=segmenter,
        segmenter_config=facts["config"],
        segmenter_checkpoint=facts["checkpoint"],
        method=_method(name, maps, registry),
        method_config={"maps": content},
        task=Task.ANOMALY,
        protocol=request.protocol,
        preset=preset,
        precision=request.precision,
        seed=request.seeds[0],
    )
    record = Record(
        identity=identity,
        status="ok",
        provenance=provenance(
            method=Plugin(plugin=OUTSIDE, version="0"),
            dataset=supplier(data.entry),
            segmenter=None,
            code=code_hash(EVALUATORS[Task.ANOMALY]),
            device="cpu",
        ),
        **numbers(found),
        timings={"metrics": seconds},
        peak_memory_bytes=peak_memory(),
    )
    return record, record.save(request.record_folder)


def _method(name: str | None, maps: Maps, registry: Registry) -> str:
    """What the record calls the method: never what a method of the benchmark is called."""
    known = registry.names("methods")
    if name in known:
        raise BenchError(f"--name {name}: a method of this benchmark is called that; choose another name")
    own = name or maps.method
    return f"{own}-maps" if own in known else own


def _judge(request: Request, data: Data, maps: Maps, store: Store, track: Track) -> tuple[Evaluation, str]:
    """The metrics of the maps, and a hash of their content."""
    info = data.dataset.info
    evaluator = make_evaluator(Task.ANOMALY, info, request.protocol, store.scratch)
    content = hashlib.sha256()
    batches = load_batches(data.test, 1, request.workers)
    for (sample,) in track(batches, f"{info.name}: scoring", len(data.test)):
        file = maps.files[sample.key]
        found = read_map(file, sample.key)
        try:
            evaluator.update(sample, sample.truth.label, Scores(pixel=found))
        except BenchError as error:
            raise BenchError(f"{file}: {error}") from error
        content.update(np.ascontiguousarray(found).tobytes())
    try:
        return evaluator.result(), content.hexdigest()[:16]
    except BenchError as error:
        first = next(iter(maps.files.values()))
        raise BenchError(f"maps such as {first}, judged by {data.dataset.root}: {error}") from error
