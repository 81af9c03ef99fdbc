"""What a run consists of: cells (one record each), grouped by what they share."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data.folders import locate, variant_of
from ..data.selection import evenly
from ..interfaces import Config, Dataset, DatasetInfo, FitOn, Method, Preset, Sample, Segmenter, Task
from ..interfaces.errors import AbsentError, BenchError, DataMissingError, UnknownNameError
from ..plugins.registry import Entry, Registry
from ..storage.code_hash import code_hash
from ..storage.record import Identity, Record, Tuned, flat
from .request import Request, configure, swept

LIMITS = {"train": 16, "validation": 8, "test": 8}
"""The most samples a split in the preset `smoke`, evenly spaced."""


@dataclass(frozen=True)
class Data:
    """A data set that is ready: its samples, cut to the preset."""

    entry: Entry
    dataset: Dataset
    variant: str | None
    train: Sequence[Sample]
    validation: Sequence[Sample]
    test: Sequence[Sample]

    @property
    def facts(self) -> dict[str, Any]:
        """What an artifact made of the training split depends on."""
        info = self.dataset.info
        return {
            "dataset": info.name,
            "variant": self.variant,
            "revision": info.revision,
            "samples": samples_hash(self.train),
            "code": code_hash(type(self.dataset).__module__),
        }


@dataclass(frozen=True)
class Network:
    """A segmenter with all that its trained weights depend on."""

    name: str
    entry: Entry
    model: Segmenter
    seed: int
    facts: dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """A configuration of a method that may be chosen. `options`: what sets it apart, option -> value."""

    options: Mapping[str, Any]
    method: Method


@dataclass
class Cell:
    """One record to be: a method on a task, within a group.

    Attributes:
        candidates: where one configuration of several is to be chosen; `method` is the first until it is.
        compared: options whose values the run compares on the test split, with these.
        changed: options that were set to other values than the method has by itself, dotted where nested.
        choice: what was chosen and how, for the record.
    """

    entry: Entry
    method: Method
    identity: Identity
    code: str
    candidates: tuple[Candidate, ...] = ()
    compared: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)
    choice: dict[str, Any] | None = None
    state: str = "to run"
    """"to run", "cached", "skipped", "ok" or "failed"."""
    reason: str | None = None
    record: Path | None = None
    weights: dict[str, str] = field(default_factory=dict)
    fit_seconds: float | None = None
    score_seconds: float = 0.0
    metric_seconds: float = 0.0
    device_bytes: int | None = None

    def unload(self) -> None:
        """Let go of what the method learned or loaded."""
        self.candidates = ()
        self.method = type(self.method)(self.method.config, self.method.task)


@dataclass
class Group:
    """The cells that share a pass of one segmenter over one test set.

    Attributes:
        network: the segmenter whose predictions are scored.
        teacher: whose out-of-fold predictions methods are fitted on; mostly `network` itself.
        errors: what cannot be planned, with the reason.
    """

    data: Data
    train: Data
    network: Network
    teacher: Network
    preset: Preset
    seed: int
    cells: list[Cell] = field(default_factory=list)
    errors: list[tuple[str, BenchError]] = field(default_factory=list)

    @property
    def waiting(self) -> list[Cell]:
        """The cells that are still to run."""
        return [cell for cell in self.cells if cell.state == "to run"]


def samples_hash(samples: Iterable[Sample]) -> str:
    """A hash of the keys, in order."""
    return hashlib.sha256("\n".join(sample.key for sample in samples).encode()).hexdigest()[:16]


def config_facts(config: Config, files: Iterable[Path] | None = None) -> dict[str, Any]:
    """All hyper-parameters, with the hash of each of these files; by default of those that they name.

    Raises:
        BenchError: such a file cannot be read.
    """
    facts = config.model_dump(mode="json")
    # By name: where a package or a user keeps a file is no part of what it is.
    found: dict[str, str] = {}
    for file in config.files() if files is None else files:
        name = file.name
        while name in found:
            name += "'"
        found[name] = file_hash(file)
    return {**facts, "files": found} if found else facts


def check_names(request: Request, registry: Registry) -> None:
    """Every name that the request spells out is known.

    Raises:
        BenchError: a name is unknown or registered twice.
    """
    for name in request.methods:
        registry.get("methods", name)
    for name in (*request.datasets, *filter(None, [request.train_dataset])):
        registry.get("datasets", name)
    segmenters = [n for n in (*request.segmenters, request.train_segmenter) if n not in (None, "all")]
    for name in filter(None, segmenters):
        find_segmenter(name, registry)
    owners = {*registry.names("methods"), *registry.names("segmenters"), *filter(None, segmenters)}
    for name in {**request.options, **request.sweeps}:
        if name not in owners | {"segmenter"}:
            raise UnknownNameError("owner of an option", name, owners | {"segmenter"})
    for name in {*request.variants, *request.data} - {"", *registry.names("datasets")}:
        raise UnknownNameError("data set", name, registry.names("datasets"))


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
    variant = variant_of(dataset, request.variants)
    splits = {name: dataset.samples(name) for name in ("train", "validation", "test")}
    if preset is Preset.SMOKE:
        splits = {name: evenly(samples, LIMITS[name]) for name, samples in splits.items()}
    return Data(entry, dataset, variant, **splits)


def trained_on(request: Request, data: Data, preset: Preset, registry: Registry) -> Data:
    """The data set that is trained on: the tested one, unless the request names another.

    Raises:
        BenchError: as `prepare_data`.
    """
    other = request.train_dataset
    if other is None or other == data.entry.name:
        return data
    try:
        return prepare_data(request, other, preset, registry)
    except AbsentError as error:
        # It was asked for by name, even where all data sets are tested: nothing to skip.
        raise BenchError(f"--train-dataset {other}: {error}") from error


def data_facts(data: Data, train: Data) -> dict[str, Any]:
    """What of an `Identity` says which samples were tested, and which trained on."""
    info = data.dataset.info
    return {
        "dataset": info.name,
        "variant": data.variant,
        "dataset_revision": info.revision,
        "samples_hash": samples_hash(data.test),
        "n_samples": len(data.test),
        "train_dataset": train.dataset.info.name,
        "train_variant": train.variant,
        "train_samples_hash": samples_hash(train.train),
        "n_train_samples": len(train.train),
    }


def find_segmenter(name: str, registry: Registry) -> tuple[Entry, dict[str, Any]]:
    """The entry of a segmenter's name, and the options that the name implies.

    Args:
        name: registered, or an mmsegmentation config by name or path.

    Raises:
        UnknownNameError: neither; gives the nearest names.
    """
    if name in registry.entries["segmenters"]:
        return registry.get("segmenters", name), {}
    from ..segmenters.mmsegmentation.construction.config_files import find_config

    try:
        config = find_config(name)
    except BenchError as error:
        raise UnknownNameError("segmenter", name, registry.names("segmenters"), str(error)) from error
    own = Path(name).suffix == ".py"
    return registry.get("segmenters", "mmseg"), {"config": str(config) if own else config.stem}


def make_network(
    request: Request,
    name: str,
    preset: Preset,
    train: Data,
    seed: int,
    registry: Registry,
    checkpoint: Path | None,
) -> Network:
    """A segmenter that is not yet trained.

    Raises:
        BenchError: its name or an option is unknown, or a file that it names cannot be read.
    """
    info = train.dataset.info
    entry, implied = find_segmenter(name, registry)
    options = {**request.options.get("segmenter", {}), **request.options.get(name, {}), **implied}
    kind: type[Segmenter] = entry.load()
    model = kind(configure(kind, name, options, preset, request.protocol, info), info)
    facts = {
        "segmenter": entry.target,
        # A checkpoint takes the place of the training, and of what that would start from.
        "config": config_facts(model.config, None if checkpoint is None else ()),
        "sources": [file_hash(file) for file in model.sources()],
        "code": code_hash(kind.__module__),
        "train": train.facts,
        "seed": seed,
        "precision": request.precision,
        "checkpoint": file_hash(checkpoint) if checkpoint else None,
    }
    return Network(name, entry, model, seed, facts)


def file_hash(file: Path) -> str:
    """sha256 of a file.

    Raises:
        BenchError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"{file} cannot be read: {error.strerror}") from error


def groups(request: Request, registry: Registry) -> Iterator[Group | tuple[str, BenchError]]:
    """The groups of a run, or (what, error) for one that cannot be planned.

    Raises:
        BenchError: a name that the request spells out is unknown or registered twice.
    """
    check_names(request, registry)
    for name in request.datasets or registry.names("datasets"):
        try:
            kind: type[Dataset] = registry.get("datasets", name).load()
            preset = request.preset or kind.info.default_preset
            learns = request.checkpoint is None
            # Whatever there is of its tree.
            if learns and request.train_dataset in (None, name) and "train" not in kind.info.splits:
                raise DataMissingError(_no_training(name))
            data = prepare_data(request, name, preset, registry)
            train = trained_on(request, data, preset, registry)
            if learns and not train.train:
                # To lack one is a mistake only of a data set that was named to be trained on.
                missing = DataMissingError if train is data else BenchError
                raise missing(_no_training(train.entry.name))
        except BenchError as error:
            yield name, error
            continue
        usual = kind.info.segmenters if preset is Preset.FULL else kind.info.light
        wanted = usual if request.segmenters == ("all",) else request.segmenters or usual[:1]
        for segmenter, seed in itertools.product(wanted, request.seeds):
            try:
                yield _group(request, registry, data, train, segmenter, preset, seed)
            except BenchError as error:
                yield f"{name} with {segmenter}", error


def _no_training(name: str) -> str:
    return f"data set '{name}' has no training split: give --train-dataset NAME, or a --checkpoint"


def _tasks(request: Request, info: DatasetInfo) -> Sequence[Task]:
    """What is run on a data set."""
    # Whoever asks for all tasks, or all data sets, means all that there is ground truth for.
    if set(request.tasks) == set(Task) or not (request.tasks or request.datasets):
        return info.tasks
    return request.tasks or info.default_tasks or info.tasks


def _group(
    request: Request, registry: Registry, data: Data, train: Data, name: str, preset: Preset, seed: int
) -> Group:
    own_seed = seed if request.segmenter_seed is None else request.segmenter_seed
    network = make_network(request, name, preset, train, own_seed, registry, request.checkpoint)
    teacher = network
    if request.train_segmenter not in (None, name):
        teacher = make_network(request, request.train_segmenter, preset, train, own_seed, registry, None)
    group = Group(data, train, network, teacher, preset, seed)
    info = data.dataset.info
    for method in request.methods or registry.names("methods"):
        try:
            found = registry.get("methods", method)
            for task in _tasks(request, info):
                # Whoever asks for all methods means all that do the task.
                if task not in found.tasks and not (request.tasks and request.methods):
                    continue
                kind: type[Method] = found.load()
                given, asked = request.options.get(method, {}), request.sweeps.get(method, {})
                candidates = kind.candidates(task)
                rows = {} if request.methods else kind.configurations(task)
                tried = (asked or candidates) if request.tune_on else {}
                tried = {key: values for key, values in tried.items() if key not in given}
                sweep = {key: values for key, values in rows.items() if key not in given} | dict(asked)
                sweep = {key: values for key, values in sweep.items() if key not in tried}
                compared = {k: values for k, values in sweep.items() if k in asked or k in candidates}
                fixed = sorted(flat(given).keys() - sweep.keys() - tried.keys())
                for options in swept(given, sweep):
                    cell = _cell(request, group, found, task, options, tried)
                    changed = _changed(request, group, cell, fixed)
                    group.cells.append(replace(cell, compared=compared, changed=changed))
        except BenchError as error:
            group.errors.append((f"{method} on {info.name}", error))
        except Exception as error:  # whatever a plugin raises must not stop the others
            problem = f"plugin '{found.plugin}' raises {type(error).__name__}: {error}"
            group.errors.append((f"{method} on {info.name}", BenchError(problem)))
    chosen = group.errors or any(cell.candidates for cell in group.cells)
    if request.tune_on and request.methods and not chosen:
        raise BenchError(
            f"--tune-on {request.tune_on}: nothing is left open by {', '.join(request.methods)}: name an "
            "option and its values with --sweep"
        )
    return group


def _cell(
    request: Request,
    group: Group,
    entry: Entry,
    task: Task,
    options: Mapping[str, Any],
    tried: Mapping[str, Sequence[Any]],
) -> Cell:
    kind: type[Method] = entry.load()
    data, train = group.data, group.train
    settings = (group.preset, request.protocol, train.dataset.info)
    candidates = tuple(
        Candidate(values, kind(configure(kind, entry.name, found, *settings), task))
        for values, found in tried_of(options, tried)
    )
    method = candidates[0].method
    network, teacher = group.network, group.teacher
    learns_from_other = teacher is not network and method.fit_on() is FitOn.OUT_OF_FOLD
    identity = Identity(
        **data_facts(data, train),
        segmenter=network.name,
        segmenter_config=network.facts["config"],
        segmenter_checkpoint=network.facts["checkpoint"],
        segmenter_seed=request.segmenter_seed,
        train_segmenter=teacher.name if learns_from_other else None,
        train_segmenter_config=teacher.facts["config"] if learns_from_other else None,
        method=entry.name,
        method_config=config_facts(method.config, method.files()),
        task=task,
        protocol=request.protocol,
        preset=group.preset,
        precision=request.precision,
        seed=group.seed,
        tuned=_tuned(request, train, tried),
    )
    modules = (kind, type(network.model), type(data.dataset))
    parts = [code_hash(plugin.__module__) for plugin in modules]
    parts.append(code_hash("segalarm.benchmark.evaluation.evaluators"))
    if tried:
        parts.append(code_hash("segalarm.benchmark.run.tuning"))
    parts += network.facts["sources"]
    if method.fit_on() is FitOn.OUT_OF_FOLD:
        parts.append(code_hash("segalarm.benchmark.run.folds"))
    cell = Cell(entry, method, identity, hashlib.sha256("".join(parts).encode()).hexdigest()[:16])
    cell.candidates = candidates if tried else ()
    reason = _no_meaning(cell, group)
    if reason is not None:
        cell.state, cell.reason = "skipped", reason
    else:
        _look_up(request, cell)
    return cell


def _changed(request: Request, group: Group, cell: Cell, options: Sequence[str]) -> dict[str, Any]:
    """Those of the options, dotted where nested, that are not at the method's own values; what they are."""
    if not options:
        return {}
    settings = (group.preset, request.protocol, group.train.dataset.info)
    try:
        own = flat(configure(type(cell.method), cell.entry.name, {}, *settings).model_dump(mode="json"))
    except BenchError:  # an option has no value unless one is given
        own = {}
    found = flat(cell.method.config.model_dump(mode="json"))
    return {key: found[key] for key in options if key in found and own.get(key, ...) != found[key]}


def tried_of(
    options: Mapping[str, Any], tried: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(the values tried, all options) of every combination; one without values where nothing is tried."""
    for values in itertools.product(*tried.values()):
        chosen = dict(zip(tried, values, strict=True))
        yield chosen, next(swept(options, {key: [value] for key, value in chosen.items()}))


def _tuned(request: Request, train: Data, tried: Mapping[str, Sequence[Any]]) -> Tuned | None:
    """What the identity says of a choice.

    Raises:
        BenchError: there is no such split to choose on.
    """
    if not tried or request.tune_on is None:
        return None
    if not train.validation:
        raise BenchError(
            f"--tune-on {request.tune_on}: data set '{train.dataset.info.name}' has no {request.tune_on} "
            f"split to choose {', '.join(tried)} on: set it with --set instead"
        )
    return Tuned(
        split=request.tune_on,
        n_samples=len(train.validation),
        samples_hash=samples_hash(train.validation),
        options={key: list(values) for key, values in tried.items()},
    )


def _no_meaning(cell: Cell, group: Group) -> str | None:
    task, info = cell.identity.task, group.data.dataset.info
    if task not in cell.entry.tasks:
        return f"{cell.entry.name} does not do {task}"
    if task not in info.tasks:
        return f"{info.name} has no ground truth for {task}"
    if task is not Task.ANOMALY and group.train.dataset.info.classes != info.classes:
        return f"{group.train.dataset.info.name}, trained on, has other classes than {info.name}"
    if info.ndim not in group.network.entry.ndims:
        return f"{group.network.name} does not segment in {info.ndim} dimensions"
    needs = cell.method.needs()
    if needs.ensemble and group.network.facts["checkpoint"] is not None:
        return f"{cell.entry.name} trains segmenters of several seeds, but --checkpoint gives one"
    # What fitting needs comes from another segmenter where one was named.
    lacking = group.network.model.lacks(needs.of_one)
    if lacking is None and cell.method.fit_on() in (FitOn.IN_FOLD, FitOn.OUT_OF_FOLD):
        source = group.network if cell.method.fit_on() is FitOn.IN_FOLD else group.teacher
        lacking = source.model.lacks(cell.method.fit_needs())
    reason = cell.method.skip(info) or lacking
    # Last, since it says the least.
    if reason is None and info.ndim not in cell.entry.ndims:
        return f"{cell.entry.name} does not work in {info.ndim} dimensions"
    return reason


def _look_up(request: Request, cell: Cell) -> None:
    """Mark the cell as cached where the rerun policy takes the record that is there."""
    if request.rerun == "always":
        return
    for file in request.record_folder.glob(f"*_{cell.identity.key}.json"):
        try:
            record = Record.load(file)
        except BenchError:  # damaged or of an old schema: the run writes it anew
            continue
        # What made an earlier run skip it (a package that was not installed, say) is gone.
        finished = record.status == "ok" and record.provenance.code_hash == cell.code
        if finished or request.rerun == "never":
            cell.state, cell.record = "cached", file
