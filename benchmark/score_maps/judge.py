"""Evaluates anomaly score maps that another tool made, and writes a record of the result: `bench score`."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..data.loading import load_batches
from ..evaluation.anomaly import AnomalyEvaluator
from ..evaluation.by_task import make_evaluator
from ..evaluation.evaluator import Evaluation
from ..interfaces import Preset, Scores, Task, Truth
from ..interfaces.errors import BenchError
from ..planning.inputs import PreparedData, data_facts, plan_segmenter, prepare_data, training_data
from ..planning.plan import check_names
from ..planning.request import Request
from ..plugins.registry import Registry
from ..run.artifacts import Track
from ..storage.code_hash import code_hash
from ..storage.environment import peak_memory, provenance, supplier
from ..storage.identity import Identity
from ..storage.provenance import Plugin
from ..storage.record import Record
from ..storage.store import Store
from .smiyc_files import Maps, find_maps, read_map, require_hdf5

OUTSIDE = "outside"
"""The name, in a record, of the plugin of a method whose score maps another tool made.

The segmenter of such a record has this name too, unless the user names one.
"""


def score(
    request: Request, registry: Registry, path: Path, name: str | None, track: Track
) -> tuple[Record, Path]:
    """Evaluate the score maps of one data set, and write a record like that of any method.

    Args:
        request: of one data set. Its segmenter, if it has one, is the segmenter whose predictions the maps
            were made from.
        registry: the plugins.
        path: the folder of the maps, see `find_maps`.
        name: of the method, for the record; None for the name of the folder of its maps.
        track: wraps an iterable in a progress bar: `track(iterable, description, total)`.

    Returns:
        The record, and its file.

    Raises:
        BenchError: a sample has no map, a map belongs to no sample, has another size, cannot be read or holds
            NaN; all scores are equal; the test split has no anomaly; h5py is not installed. The message names
            key and file.
    """
    require_hdf5()
    check_names(request, registry)
    (dataset,) = request.datasets
    preset = request.preset or registry.get("datasets", dataset).load().info.default_preset
    data = prepare_data(request, dataset, preset, registry)
    train = training_data(request, data, preset, registry)
    if Task.ANOMALY not in data.dataset.info.tasks:
        raise BenchError(f"{dataset} has no ground truth for {Task.ANOMALY}")
    maps = find_maps(path, dataset, [data.test[row].key for row in range(len(data.test))])
    segmenter = _segmenter_facts(request, preset, train, registry)
    method = _method_name(name, maps, registry)
    began = time.perf_counter()
    evaluation, content = evaluate_maps(request, data, maps, track)
    seconds = time.perf_counter() - began
    identity = Identity(
        **data_facts(data, train),
        **segmenter,
        method=method,
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
            code=code_hash(type(data.dataset), AnomalyEvaluator, Truth),
            device="cpu",
        ),
        **vars(evaluation),
        timings={"metrics": seconds},
        peak_memory_bytes=peak_memory(),
    )
    return record, record.save(request.record_folder)


def _segmenter_facts(
    request: Request, preset: Preset, train: PreparedData, registry: Registry
) -> dict[str, Any]:
    """The fields of an `Identity` that say which segmenter the maps were made from."""
    if not request.segmenters:
        if request.checkpoint:
            raise BenchError("--checkpoint holds weights of a segmenter: name the segmenter with --segmenter")
        return {"segmenter": OUTSIDE, "segmenter_config": {}, "segmenter_checkpoint": None}
    (name,) = request.segmenters
    planned = plan_segmenter(request, name, preset, train, request.seeds[0], registry, request.checkpoint)
    return {
        "segmenter": name,
        "segmenter_config": planned.facts["config"],
        "segmenter_checkpoint": planned.facts["checkpoint"],
    }


def _method_name(name: str | None, maps: Maps, registry: Registry) -> str:
    """The name of the method in the record.

    It is never the name of a method of the benchmark, so that maps are not taken for runs of that method.

    Raises:
        BenchError: the user has chosen such a name.
    """
    methods = registry.names("methods")
    if name in methods:
        raise BenchError(f"--name {name}: a method of this benchmark is called that; choose another name")
    own = name or maps.method
    return f"{own}-maps" if own in methods else own


def evaluate_maps(request: Request, data: PreparedData, maps: Maps, track: Track) -> tuple[Evaluation, str]:
    """The metrics of the maps, and a hash of all scores.

    Raises:
        BenchError: see `score`.
    """
    info = data.dataset.info
    evaluator = make_evaluator(Task.ANOMALY, info, request.protocol, Store(request.workspace).scratch)
    content = hashlib.sha256()
    batches = load_batches(data.test, 1, request.workers)
    for (sample,) in track(batches, f"{info.name}: scoring", len(data.test)):
        file = maps.files[sample.key]
        score_map = read_map(file, sample.key)
        try:
            evaluator.update(sample, sample.truth.label, Scores(pixel=score_map))
        except BenchError as error:
            raise BenchError(f"{file}: {error}") from error
        content.update(np.ascontiguousarray(score_map).tobytes())
    try:
        return evaluator.result(), content.hexdigest()[:16]
    except BenchError as error:
        first = next(iter(maps.files.values()))
        raise BenchError(f"maps such as {first}, judged by {data.dataset.root}: {error}") from error
