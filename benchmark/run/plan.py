"""The plan of a run: jobs (one record each), in groups that share data, a segmenter and a test pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..evaluation.by_task import EVALUATORS
from ..interfaces import Dataset, DatasetInfo, Method, Option, Preset, Source, Task, Truth
from ..interfaces.errors import AbsentError, BenchError, DataMissingError, UnknownNameError
from ..metrics.streaming.confusion import ConfusionState
from ..plugins.registry import Entry, Registry
from ..storage.code_hash import code_hash
from ..storage.identity import Identity, Tuned, flat
from ..storage.record import Record
from ..storage.store import key_of
from . import folds
from .configure import configure, swept
from .inputs import (
    PlannedSegmenter,
    PreparedData,
    config_facts,
    data_facts,
    find_segmenter,
    plan_segmenter,
    prepare_data,
    samples_hash,
    training_data,
)
from .request import Request


@dataclass(frozen=True)
class Candidate:
    """A configuration of a method that tuning may choose.

    Attributes:
        options: the values that set the configuration apart, option -> value.
    """

    options: Mapping[str, Any]
    method: Method


@dataclass(frozen=True)
class Job:
    """One record to be made: a method with its configuration, on one task, within a group.

    Attributes:
        method: not fitted.
        identity: says what makes the record different from any other.
        code: a hash of the code that the record depends on.
        candidates: the configurations that tuning chooses from; empty where nothing is tuned. `method` and
            `identity` are the first candidate's.
        compared: option -> the values that the run compares on the test split, with a job each.
        changed: option, dotted where nested -> a value that the user set and that is not the method's own.
        skipped: why no record can be made; None where one can.
        cached: the file of a record that this run need not make again.
    """

    entry: Entry
    method: Method
    identity: Identity
    code: str
    candidates: tuple[Candidate, ...] = ()
    compared: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)
    skipped: str | None = None
    cached: Path | None = None

    @property
    def waiting(self) -> bool:
        """Whether the job is to run."""
        return self.skipped is None and self.cached is None


@dataclass(frozen=True)
class Unplanned:
    """Something that cannot be planned, and why."""

    name: str
    error: BenchError


@dataclass(frozen=True)
class Group:
    """The jobs that share a pass of one segmenter over one test split.

    Attributes:
        data: the data set that is tested.
        train: the data set that segmenter and methods are trained on.
        segmenter: the segmenter whose predictions are scored.
        teacher: the segmenter whose out-of-fold predictions methods are fitted on; mostly `segmenter` itself.
        unplanned: the methods for which no job could be made.
    """

    data: PreparedData
    train: PreparedData
    segmenter: PlannedSegmenter
    teacher: PlannedSegmenter
    preset: Preset
    seed: int
    jobs: tuple[Job, ...] = ()
    unplanned: tuple[Unplanned, ...] = ()

    @property
    def waiting(self) -> list[Job]:
        """The jobs that are to run."""
        return [job for job in self.jobs if job.waiting]


def plan(request: Request, registry: Registry) -> Iterator[Group | Unplanned]:
    """The groups of a run, data set by data set; `Unplanned` for one that cannot be planned.

    Raises:
        BenchError: a name that the request spells out is unknown or registered twice.
    """
    check_names(request, registry)
    for name in request.datasets or registry.names("datasets"):
        try:
            dataset_class: type[Dataset] = registry.get("datasets", name).load()
            preset = request.preset or dataset_class.info.default_preset
            data, train = _data(request, name, preset, registry)
        except BenchError as error:
            yield Unplanned(name, error)
            continue
        info = dataset_class.info
        usual = info.segmenters if preset is Preset.FULL else info.light
        names = usual if request.segmenters == ("all",) else request.segmenters or usual[:1]
        for segmenter, seed in itertools.product(names, request.seeds):
            try:
                group = _empty_group(request, registry, data, train, segmenter, preset, seed)
                yield _Planner(request, registry, group).filled()
            except BenchError as error:
                yield Unplanned(f"{name} with {segmenter}", error)


def plan_without_records(request: Request, registry: Registry, say: Callable[[str], None]) -> list[Group]:
    """The groups of a request that leaves no records, so that every job is to run whatever records there are.

    Of all data sets, those that are not on this machine are left out, and a line says so.

    Raises:
        BenchError: something else cannot be planned.
    """
    groups = []
    for group in plan(replace(request, rerun="always"), registry):
        if isinstance(group, Unplanned):
            if request.datasets or not isinstance(group.error, AbsentError):
                raise group.error
            say(f"skipped {group.name}: {group.error}")
            continue
        for unplanned in group.unplanned:
            raise unplanned.error
        groups.append(group)
    return groups


def check_names(request: Request, registry: Registry) -> None:
    """Check that every name which the request spells out is known.

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


def _data(
    request: Request, name: str, preset: Preset, registry: Registry
) -> tuple[PreparedData, PreparedData]:
    """The data set of a name, and the data set that is trained on.

    Raises:
        BenchError: one of them is missing or malformed, or there is nothing to train on.
    """
    learns = request.checkpoint is None
    info: DatasetInfo = registry.get("datasets", name).load().info
    # Said before the folder is looked for: no folder of this data set has a training split.
    if learns and request.train_dataset in (None, name) and "train" not in info.splits:
        raise DataMissingError(_no_training(name))
    data = prepare_data(request, name, preset, registry)
    train = training_data(request, data, preset, registry)
    if learns and not train.train:
        # A missing training split is a mistake only of a data set that was named to be trained on.
        missing = DataMissingError if train is data else BenchError
        raise missing(_no_training(train.entry.name))
    return data, train


def _no_training(name: str) -> str:
    return f"data set '{name}' has no training split: give --train-dataset NAME, or a --checkpoint"


def _empty_group(
    request: Request,
    registry: Registry,
    data: PreparedData,
    train: PreparedData,
    name: str,
    preset: Preset,
    seed: int,
) -> Group:
    """A group without jobs."""
    own_seed = seed if request.segmenter_seed is None else request.segmenter_seed
    segmenter = plan_segmenter(request, name, preset, train, own_seed, registry, request.checkpoint)
    teacher = segmenter
    if request.train_segmenter not in (None, name):
        teacher = plan_segmenter(request, request.train_segmenter, preset, train, own_seed, registry, None)
    return Group(data, train, segmenter, teacher, preset, seed)


def tasks_of(request: Request, info: DatasetInfo) -> Sequence[Task]:
    """The tasks that are run on a data set."""
    # Whoever asks for all tasks, or for all data sets, means all that there is ground truth for.
    if set(request.tasks) == set(Task) or not (request.tasks or request.datasets):
        return info.tasks
    return request.tasks or info.default_tasks or info.tasks


@dataclass(frozen=True)
class _Variation:
    """How the jobs of one method on one task differ.

    Attributes:
        given: options that the user set.
        sweep: option -> values, a job each.
        tried: option -> values that tuning chooses from within a job.
        compared: the part of `sweep` whose values the run compares on the test split.
    """

    given: Mapping[str, Any]
    sweep: Mapping[str, Sequence[Any]]
    tried: Mapping[str, Sequence[Any]]
    compared: Mapping[str, Sequence[Any]]

    @property
    def fixed(self) -> list[str]:
        """Options that the user set to one value, dotted where nested."""
        return sorted(flat(self.given).keys() - self.sweep.keys() - self.tried.keys())


@dataclass(frozen=True)
class _Planner:
    """Makes the jobs of one group."""

    request: Request
    registry: Registry
    group: Group

    def filled(self) -> Group:
        """The group with its jobs.

        Raises:
            BenchError: tuning was asked for, and no method has anything to tune.
        """
        jobs: list[Job] = []
        unplanned: list[Unplanned] = []
        info = self.group.data.dataset.info
        for name in self.request.methods or self.registry.names("methods"):
            try:
                entry = self.registry.get("methods", name)
                for task in tasks_of(self.request, info):
                    # Whoever asks for all methods means all that do the task.
                    if task in entry.tasks or (self.request.tasks and self.request.methods):
                        jobs += self._jobs(entry, task)
            except BenchError as error:
                unplanned.append(Unplanned(f"{name} on {info.name}", error))
            except Exception as error:  # whatever a plugin raises must not stop the others
                problem = f"plugin '{entry.plugin}' raises {type(error).__name__}: {error}"
                unplanned.append(Unplanned(f"{name} on {info.name}", BenchError(problem)))
        if self.request.tune_on and self.request.methods and not unplanned:
            self._check_tuning(jobs)
        group = self.group
        segmenters = (group.segmenter, group.teacher)
        return Group(
            group.data, group.train, *segmenters, group.preset, group.seed, tuple(jobs), tuple(unplanned)
        )

    def _check_tuning(self, jobs: Sequence[Job]) -> None:
        if not any(job.candidates for job in jobs):
            raise BenchError(
                f"--tune-on {self.request.tune_on}: {', '.join(self.request.methods)} leaves no option open: "
                "name an option and its values with --sweep"
            )

    def _jobs(self, entry: Entry, task: Task) -> Iterator[Job]:
        """The jobs of one method on one task."""
        variation = self._variation(entry, task)
        for options in swept(variation.given, variation.sweep):
            yield self._job(entry, task, options, variation)

    def _variation(self, entry: Entry, task: Task) -> _Variation:
        given = self.request.options.get(entry.name, {})
        asked = self.request.sweeps.get(entry.name, {})
        declared = self._declared(entry, task, given, asked)
        candidates = {option.name: option.candidates for option in declared if option.candidates}
        rows = {option.name: option.rows for option in declared if option.rows and not self.request.methods}
        tried = (asked or candidates) if self.request.tune_on else {}
        tried = {key: values for key, values in tried.items() if key not in given}
        sweep = {key: values for key, values in rows.items() if key not in given} | dict(asked)
        sweep = {key: values for key, values in sweep.items() if key not in tried}
        compared = {key: values for key, values in sweep.items() if key in asked or key in candidates}
        return _Variation(given, sweep, tried, compared)

    def _declared(
        self, entry: Entry, task: Task, given: Mapping[str, Any], asked: Mapping[str, Sequence[Any]]
    ) -> Sequence[Option]:
        """The options that the method declares. An option without a value of its own gets a swept one."""
        first = {key: values[:1] for key, values in asked.items()}
        return self._method(entry, task, next(swept(given, first))).options()

    def _method(self, entry: Entry, task: Task, options: Mapping[str, Any]) -> Method:
        method_class: type[Method] = entry.load()
        group = self.group
        settings = (group.preset, self.request.protocol, group.train.dataset.info)
        return method_class(configure(method_class, entry.name, options, *settings), task)

    def _job(self, entry: Entry, task: Task, options: Mapping[str, Any], variation: _Variation) -> Job:
        candidates = tuple(
            Candidate(values, self._method(entry, task, chosen))
            for values, chosen in _combinations(options, variation.tried)
        )
        method = candidates[0].method
        identity = self._identity(entry, method, variation)
        code = self._code([candidate.method for candidate in candidates], tuned=bool(variation.tried))
        skipped = _reason_to_skip(entry, method, self.group)
        return Job(
            entry,
            method,
            identity,
            code,
            candidates=candidates if variation.tried else (),
            compared=variation.compared,
            changed=self._changed(entry, method, variation.fixed),
            skipped=skipped,
            cached=None if skipped else _finished_record(self.request, identity, code),
        )

    def _identity(self, entry: Entry, method: Method, variation: _Variation) -> Identity:
        request, group = self.request, self.group
        fit_on = method.fit_on()
        from_folds = fit_on is not None and fit_on.source is Source.OUT_OF_FOLD
        teacher = group.teacher if from_folds and group.teacher is not group.segmenter else None
        return Identity(
            **data_facts(group.data, group.train),
            segmenter=group.segmenter.name,
            segmenter_config=group.segmenter.facts["config"],
            segmenter_checkpoint=group.segmenter.facts["checkpoint"],
            segmenter_seed=request.segmenter_seed,
            train_segmenter=teacher.name if teacher else None,
            train_segmenter_config=teacher.facts["config"] if teacher else None,
            method=entry.name,
            method_config=config_facts(method.config, method.files()),
            task=method.task,
            protocol=request.protocol,
            preset=group.preset,
            precision=request.precision,
            seed=group.seed,
            tuned=self._tuned(variation.tried),
        )

    def _tuned(self, tried: Mapping[str, Sequence[Any]]) -> Tuned | None:
        """The part of an identity that says how options are chosen.

        Raises:
            BenchError: there is no such split to choose on.
        """
        split, train = self.request.tune_on, self.group.train
        if not tried or split is None:
            return None
        if not train.validation:
            raise BenchError(
                f"--tune-on {split}: data set '{train.dataset.info.name}' has no {split} split to choose "
                f"{', '.join(tried)} on: set it with --set instead"
            )
        return Tuned(
            split=split,
            n_samples=len(train.validation),
            samples_hash=samples_hash(train.validation),
            options={key: list(values) for key, values in tried.items()},
        )

    def _changed(self, entry: Entry, method: Method, options: Sequence[str]) -> dict[str, Any]:
        """Those of the options, dotted where nested, that are not at the method's own values."""
        if not options:
            return {}
        try:
            own = flat(self._method(entry, method.task, {}).config.model_dump(mode="json"))
        except BenchError:  # an option has no value unless one is given
            own = {}
        values = flat(method.config.model_dump(mode="json"))
        return {key: values[key] for key in options if key in values and own.get(key, ...) != values[key]}

    def _code(self, methods: Sequence[Method], tuned: bool) -> str:
        """A hash of all code that a record depends on. `methods`: that of each candidate."""
        # The test pass and the tuning work on jobs, and import this module.
        from . import test_pass, tuning

        group, method = self.group, methods[0]
        roots: list[Any] = [part for each in methods for part in code_of(each)]
        roots += [type(group.segmenter.model), type(group.data.dataset), Truth, EVALUATORS[method.task]]
        roots += [ConfusionState, test_pass.predict, test_pass.score_samples]
        fit_on = method.fit_on()
        if fit_on is not None and fit_on.source is Source.OUT_OF_FOLD:
            roots += [folds.write_predictions, folds.StoredPairs, folds.LivePairs]
        if tuned:
            roots.append(tuning.choose)
        return key_of({"code": code_hash(*roots), "sources": group.segmenter.facts["sources"]})


def code_of(method: Method) -> list[type[Method]]:
    """The classes that a method's code consists of: its own, and those of the methods inside the method."""
    return [type(method), *(part for inner in method.parts() for part in code_of(inner))]


def _combinations(
    options: Mapping[str, Any], tried: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(the tried values, all options) of every combination; one without values where nothing is tried."""
    for values in itertools.product(*tried.values()):
        chosen = dict(zip(tried, values, strict=True))
        yield chosen, next(swept(options, {key: [value] for key, value in chosen.items()}))


def _reason_to_skip(entry: Entry, method: Method, group: Group) -> str | None:
    """Why a method has no meaning in a group, or None."""
    task, info, trained_on = method.task, group.data.dataset.info, group.train.dataset.info
    segmenter = group.segmenter
    if task not in entry.tasks:
        return f"{entry.name} does not do {task}"
    if task not in info.tasks:
        return f"{info.name} has no ground truth for {task}"
    if task is not Task.ANOMALY and trained_on.classes != info.classes:
        return f"{trained_on.name}, trained on, has other classes than {info.name}"
    if info.ndim not in segmenter.entry.ndims:
        return f"{segmenter.name} does not segment in {info.ndim} dimensions"
    if method.needs().ensemble and segmenter.facts["checkpoint"] is not None:
        return f"{entry.name} trains segmenters of several seeds, but --checkpoint gives one"
    reason = method.skip(info) or _lacking(method, group)
    # Last, since this reason says the least.
    if reason is None and info.ndim not in entry.ndims:
        return f"{entry.name} does not work in {info.ndim} dimensions"
    return reason


def _lacking(method: Method, group: Group) -> str | None:
    """Why a segmenter cannot give what the method reads, or None."""
    lacking = group.segmenter.model.lacks(method.needs().of_one)
    fit_on = method.fit_on()
    if lacking is None and fit_on is not None and fit_on.source is not Source.LABELS:
        # Predictions to be fitted on come from another segmenter where the user named one.
        source = group.segmenter if fit_on.source is Source.IN_FOLD else group.teacher
        lacking = source.model.lacks(fit_on.needs)
    return lacking


def _finished_record(request: Request, identity: Identity, code: str) -> Path | None:
    """The file of a record that the rerun policy takes in place of a run, or None."""
    if request.rerun == "always":
        return None
    for file in request.record_folder.glob(f"*_{identity.key}.json"):
        try:
            record = Record.load(file)
        except BenchError:  # damaged or of a newer schema: the run writes the record anew
            continue
        # Whatever made an earlier run skip the job (a package that was not installed, say) may be gone.
        finished = record.status == "ok" and record.provenance.code_hash == code
        if finished or request.rerun == "never":
            return file
    return None
