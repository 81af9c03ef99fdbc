"""What a run consists of: cells (one record each), grouped by what they share."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segalarm.benchmark.code import code_hash
from segalarm.benchmark.data import check_release, locate
from segalarm.benchmark.errors import BenchError, DataMissingError, UnknownNameError
from segalarm.benchmark.folds import Slice
from segalarm.benchmark.interfaces import (
    Config,
    Dataset,
    FitOn,
    Method,
    Preset,
    Sample,
    Segmenter,
    Task,
)
from segalarm.benchmark.plugins import Entry, Registry
from segalarm.benchmark.record import Identity, Record
from segalarm.benchmark.request import Request, configure

LIMITS = {"train": 16, "test": 8}
"""The most samples a split in the preset `smoke`, evenly spaced."""


@dataclass(frozen=True)
class Data:
    """A data set that is ready: its samples, cut to the preset."""

    entry: Entry
    dataset: Dataset
    variant: str | None
    train: Sequence[Sample]
    test: Sequence[Sample]

    def facts(self, split: str) -> dict[str, Any]:
        """What an artifact made of a split depends on."""
        samples = self.train if split == "train" else self.test
        info = self.dataset.info
        return {
            "dataset": info.name,
            "variant": self.variant,
            "revision": info.revision,
            "split": split,
            "samples": samples_hash(samples),
            "code": code_hash(type(self.dataset).__module__),
        }


@dataclass(frozen=True)
class Network:
    """A segmenter with all that its trained weights depend on."""

    name: str
    entry: Entry
    model: Segmenter
    facts: Mapping[str, Any]


@dataclass
class Cell:
    """One record to be: a method on a task, within a group."""

    entry: Entry
    method: Method
    identity: Identity
    code: str
    state: str = "to run"
    """"to run", "cached", "skipped", "ok" or "failed"."""
    reason: str | None = None
    record: Path | None = None
    fit_seconds: float | None = None
    score_seconds: float = 0.0


@dataclass
class Group:
    """The cells that share a pass of one segmenter over one test set.

    Attributes:
        network: the segmenter whose predictions are scored.
        teacher: whose out-of-fold predictions methods are fitted on; mostly `network` itself.
    """

    data: Data
    train: Data
    network: Network
    teacher: Network
    preset: Preset
    seed: int
    cells: list[Cell] = field(default_factory=list)

    @property
    def waiting(self) -> list[Cell]:
        """The cells that are still to run."""
        return [cell for cell in self.cells if cell.state == "to run"]


def samples_hash(samples: Iterable[Sample]) -> str:
    """A hash of the keys, in order."""
    return hashlib.sha256("\n".join(sample.key for sample in samples).encode()).hexdigest()[:16]


def split_names(wanted: Sequence[str], kind: str, registry: Registry) -> list[str]:
    """The names asked for, or all; every one is known afterwards.

    Raises:
        BenchError: a name is unknown or registered twice.
    """
    names = list(wanted) or registry.names(kind)
    for name in names:
        registry.get(kind, name)
    return names


def prepare_data(request: Request, name: str, preset: Preset, registry: Registry) -> Data:
    """Find, check and, where it is generated, make a data set.

    Raises:
        BenchError: the tree is missing, malformed, or no release and not declared a variant.
    """
    entry = registry.get("datasets", name)
    kind: type[Dataset] = entry.load()
    folder = request.folder(name)
    if kind.generated:
        root = request.workspace / "data" / name
    elif folder is None:
        hint = f"--data DIR, or BENCH_DATA. {kind.info.source}"
        raise DataMissingError(f"data set '{name}' needs a folder: {hint}")
    else:
        root = locate(kind, folder)
    dataset = kind(root)
    dataset.prepare()
    variant = request.variant(name)
    check_release(dataset, variant)
    train, test = dataset.samples("train"), dataset.samples("test")
    if preset is Preset.SMOKE:
        train, test = _thin(train, LIMITS["train"]), _thin(test, LIMITS["test"])
    return Data(entry, dataset, variant, train, test)


def _thin(samples: Sequence[Sample], most: int) -> Sequence[Sample]:
    if len(samples) <= most:
        return samples
    return Slice(samples, [k * len(samples) // most for k in range(most)])


def make_network(
    request: Request,
    name: str,
    preset: Preset,
    train: Data,
    seed: int,
    registry: Registry,
    checkpoint: Path | None,
) -> Network:
    """A registered segmenter, or any mmsegmentation config by its name or path, not yet trained.

    Raises:
        BenchError: neither; gives the nearest names.
    """
    info = train.dataset.info
    options = {**request.options.get("segmenter", {}), **request.options.get(name, {})}
    if name in registry.entries["segmenters"]:
        entry = registry.get("segmenters", name)
    else:
        from segalarm.benchmark.segmenters.network import find

        try:
            options["config"] = str(find(name)) if Path(name).suffix == ".py" else find(name).stem
        except BenchError as error:
            raise UnknownNameError("segmenter", name, registry.names("segmenters"), str(error)) from error
        entry = registry.get("segmenters", "mmseg")
    kind: type[Segmenter] = entry.load()
    model = kind(configure(kind, name, options, preset, request.protocol, info), info)
    facts = {
        "segmenter": entry.target,
        "config": model.config.model_dump(mode="json"),
        "code": code_hash(kind.__module__),
        "train": train.facts("train"),
        "preset": preset,
        "protocol": request.protocol,
        "seed": seed,
        "precision": request.precision,
        "checkpoint": file_hash(checkpoint) if checkpoint else None,
    }
    return Network(name, entry, model, facts)


def file_hash(file: Path) -> str:
    """sha256 of a file.

    Raises:
        BenchError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"--checkpoint {file}: {error.strerror}") from error


def groups(request: Request, registry: Registry) -> Iterator[Group | tuple[str, BenchError]]:
    """The groups of a run, or (what, error) for one that cannot be planned."""
    names = split_names(request.datasets, "datasets", registry)
    methods = split_names(request.methods, "methods", registry)
    for name in names:
        try:
            kind: type[Dataset] = registry.get("datasets", name).load()
            preset = request.preset or kind.info.default_preset
            data = prepare_data(request, name, preset, registry)
            other = request.train_dataset
            train = prepare_data(request, other, preset, registry) if other and other != name else data
            if not train.train and request.checkpoint is None:
                raise BenchError(
                    f"data set '{train.dataset.info.name}' has no training split: name another with "
                    "--train-dataset, or give a --checkpoint"
                )
        except BenchError as error:
            yield name, error
            continue
        for segmenter, seed in itertools.product(
            request.segmenters or (kind.info.default_segmenter,), request.seeds
        ):
            try:
                yield _group(request, registry, data, train, segmenter, preset, seed, methods)
            except BenchError as error:
                yield f"{name} with {segmenter}", error


def _group(
    request: Request,
    registry: Registry,
    data: Data,
    train: Data,
    name: str,
    preset: Preset,
    seed: int,
    methods: Sequence[str],
) -> Group:
    own_seed = seed if request.segmenter_seed is None else request.segmenter_seed
    network = make_network(request, name, preset, train, own_seed, registry, request.checkpoint)
    teacher = network
    if request.train_segmenter not in (None, name):
        teacher = make_network(request, request.train_segmenter, preset, train, own_seed, registry, None)
    group = Group(data, train, network, teacher, preset, seed)
    info = data.dataset.info
    for method in methods:
        found = registry.get("methods", method)
        for task in request.tasks or info.default_tasks or info.tasks:
            if task in found.tasks or request.tasks:
                group.cells.append(_cell(request, group, found, task))
    return group


def _cell(request: Request, group: Group, entry: Entry, task: Task) -> Cell:
    kind: type[Method] = entry.load()
    data, train, info = group.data, group.train, group.data.dataset.info
    options = request.options.get(entry.name, {})
    config: Config = configure(kind, entry.name, options, group.preset, request.protocol, info)
    method = kind(config, task)
    network, teacher = group.network, group.teacher
    learns_from_other = teacher is not network and method.fit_on() is FitOn.OUT_OF_FOLD
    identity = Identity(
        dataset=info.name,
        variant=data.variant,
        dataset_revision=info.revision,
        samples_hash=samples_hash(data.test),
        n_samples=len(data.test),
        train_dataset=train.dataset.info.name,
        train_variant=train.variant,
        train_samples_hash=samples_hash(train.train),
        n_train_samples=len(train.train),
        segmenter=network.name,
        segmenter_config={**network.facts["config"], "seed": network.facts["seed"]},
        segmenter_checkpoint=network.facts["checkpoint"],
        train_segmenter=teacher.name if learns_from_other else None,
        train_segmenter_config=teacher.facts["config"] if learns_from_other else None,
        method=entry.name,
        method_config=config.model_dump(mode="json"),
        task=task,
        protocol=request.protocol,
        preset=group.preset,
        seed=group.seed,
    )
    modules = (kind, type(network.model), type(data.dataset))
    parts = [code_hash(plugin.__module__) for plugin in modules]
    parts.append(code_hash("segalarm.benchmark.evaluate"))
    cell = Cell(entry, method, identity, hashlib.sha256("".join(parts).encode()).hexdigest()[:16])
    reason = _no_meaning(cell, group)
    if reason is not None:
        cell.state, cell.reason = "skipped", reason
    else:
        _look_up(request, cell)
    return cell


def _no_meaning(cell: Cell, group: Group) -> str | None:
    task, info = cell.identity.task, group.data.dataset.info
    if task not in cell.entry.tasks:
        return f"{cell.entry.name} does not do {task}"
    if task not in info.tasks:
        return f"{info.name} has no ground truth for {task}"
    if info.ndim not in cell.entry.ndims:
        return f"{cell.entry.name} does not work in {info.ndim} dimensions"
    if task is not Task.ANOMALY and group.train.dataset.info.classes != info.classes:
        return f"{group.train.dataset.info.name}, trained on, has other classes than {info.name}"
    return cell.method.skip(info, group.network.model.info)


def _look_up(request: Request, cell: Cell) -> None:
    """Mark the cell as cached where the rerun policy takes the record that is there."""
    if request.rerun == "always":
        return
    for file in request.record_folder.glob(f"*_{cell.identity.key}.json"):
        try:
            record = Record.load(file)
        except BenchError:  # damaged or of an old schema: the run writes it anew
            continue
        finished = record.status != "failed" and record.provenance.code_hash == cell.code
        if finished or request.rerun == "never":
            cell.state, cell.record = "cached", file
