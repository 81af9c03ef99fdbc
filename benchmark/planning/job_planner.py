"""The jobs of a group: what a user asked for, and the options that methods declare, make configurations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data.loading import load_batches
from ..evaluation.by_task import EVALUATORS
from ..evaluation.score_checks import method_scores
from ..evaluation.tuning_criteria import best_of, criteria
from ..interfaces import DatasetInfo, FitOn, Method, Needs, Option, Sample, Source, Task, Truth
from ..interfaces.errors import BenchError
from ..metrics.streaming.confusion import ConfusionState
from ..plugins.configure import configure, swept
from ..plugins.registry import Entry, Registry
from ..segmenters.batch_segmentation import segment_batch
from ..storage.code_hash import code_hash
from ..storage.identity import Identity, Tuned, flat
from ..storage.record import Record
from ..storage.store import key_of
from ..training import fold_predictions as folds
from .inputs import config_facts, data_facts, samples_hash
from .jobs import Candidate, Group, Job, Unplanned
from .request import Request


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
        sweep: option -> values; each value becomes a job.
        tried: option -> values that tuning chooses from within a job.
        compared: the part of `sweep` whose values the run compares on the test split.
    """

    given: Mapping[str, Any]
    sweep: Mapping[str, Sequence[Any]]
    tried: Mapping[str, Sequence[Any]]
    compared: Mapping[str, Sequence[Any]]

    @property
    def fixed(self) -> list[str]:
        """The options that the user set to one value; nested names are joined by dots."""
        return sorted(flat(self.given).keys() - self.sweep.keys() - self.tried.keys())


def with_jobs(request: Request, registry: Registry, group: Group) -> Group:
    """A group with the jobs of all methods that the request stands for.

    Raises:
        BenchError: tuning was asked for, and no method has anything to tune.
    """
    planner = _Planner(request, group)
    jobs: list[Job] = []
    unplanned: list[Unplanned] = []
    info = group.data.dataset.info
    for name in request.methods or registry.names("methods"):
        try:
            entry = registry.get("methods", name)
            for task in tasks_of(request, info):
                # Whoever asks for all methods means all that do the task.
                if task in entry.tasks or (request.tasks and request.methods):
                    jobs += planner.jobs(entry, task)
        except BenchError as error:
            unplanned.append(Unplanned(f"{name} on {info.name}", error))
        except Exception as error:  # whatever a plugin raises must not stop the others
            problem = f"plugin '{entry.plugin}' raises {type(error).__name__}: {error}"
            unplanned.append(Unplanned(f"{name} on {info.name}", BenchError(problem)))
    tunes = unplanned or any(job.candidates for job in jobs)
    if request.tune_on and request.methods and not tunes:
        raise BenchError(
            f"--tune-on {request.tune_on}: no method that was named ({', '.join(request.methods)}) has "
            "candidate values to choose from. Give values with --sweep NAME.KEY=VALUE,VALUE"
        )
    return replace(group, jobs=tuple(jobs), unplanned=tuple(unplanned))


@dataclass(frozen=True)
class _Planner:
    """Makes the jobs of one group, method by method."""

    request: Request
    group: Group

    def jobs(self, entry: Entry, task: Task) -> Iterator[Job]:
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
        """The options that the method declares. One that has no default is set to its first swept value."""
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
            swept={option: flat(options).get(option) for option in variation.sweep},
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
        """The options whose values the user changed from the method's own: name -> value."""
        if not options:
            return {}
        try:
            own = flat(self._method(entry, method.task, {}).config.model_dump(mode="json"))
        except BenchError:  # an option has no value unless one is given
            own = {}
        values = flat(method.config.model_dump(mode="json"))
        return {key: values[key] for key in options if key in values and own.get(key, ...) != values[key]}

    def _code(self, methods: Sequence[Method], tuned: bool) -> str:
        """A hash of all code that a record depends on. `methods`: the method of each tuning candidate."""
        group, method = self.group, methods[0]
        roots: list[Any] = [part for each in methods for part in code_of(each)]
        roots += [type(data.dataset) for data in (group.data, group.train)]
        roots += [type(group.segmenter.model), EVALUATORS[method.task], ConfusionState, Truth, Sample, Needs]
        roots += [load_batches, segment_batch, method_scores]
        sources = [group.segmenter.facts["sources"]]
        fit_on = method.fit_on()
        if fit_on is not None:
            roots += code_of_pairs(fit_on)
            if fit_on.source is Source.OUT_OF_FOLD:
                roots.append(type(group.teacher.model))
                sources.append(group.teacher.facts["sources"])
        if tuned:
            roots += [criteria, best_of]
        return key_of({"code": code_hash(*roots), "sources": sources})


def code_of(method: Method) -> list[type[Method]]:
    """The classes that a method's code consists of: its own, and those of the methods inside the method."""
    return [type(method), *(part for inner in method.parts() for part in code_of(inner))]


def code_of_pairs(fit_on: FitOn) -> list[Any]:
    """The code that makes what a method is fitted on."""
    if fit_on.source is Source.LABELS:
        return [folds.LabelPairs]
    if fit_on.source is Source.OUT_OF_FOLD and folds.can_be_stored(fit_on.needs):
        return [folds.StoredPairs, folds.write_predictions, folds.kept_and_left_out]
    return [folds.LivePairs, folds.kept_and_left_out]


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
    """The existing record that `--rerun` lets this job reuse; None if the job must run."""
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
