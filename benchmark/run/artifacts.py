"""The costly things that the store keeps: segmenters, fold predictions, fitted methods, shared networks.

The functions `..._facts` say all that an artifact depends on; its facts make the key of an artifact.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..interfaces import AnyConfig, Context, FitOn, Memo, Method, Needs, Segmenter, Source
from ..planning.inputs import PlannedSegmenter, PreparedData, config_facts
from ..planning.job_planner import code_of, code_of_pairs
from ..planning.jobs import Group, Job
from ..plugins.registry import Entry
from ..storage.code_hash import code_hash
from ..storage.parsed_modules import OWN, package_of
from ..storage.store import Store
from ..training import fold_predictions as folds

Track = Callable[[Iterable[Any], str, int | None], Iterable[Any]]
"""Wraps an iterable in a progress bar: `track(iterable, description, total)`."""
Build = Callable[[Path, Context], None]
"""Fills the folder of an artifact, in a context of the artifact's own."""

WEIGHTS = "weights.json"
"""A file beside every artifact: the pretrained weights that went into the artifact."""


@dataclass(frozen=True)
class Artifacts:
    """Makes the artifacts of one group, or takes them from the store.

    Attributes:
        precision: of trainings, as `Request.precision`.
        memo: remembers networks that several methods of the test pass load alike.
    """

    store: Store
    train: PreparedData
    device: str
    precision: str
    track: Track
    memo: Memo = field(default_factory=Memo)

    def make(
        self,
        name: str,
        facts: Mapping[str, Any],
        build: Build,
        *,
        seed: int,
        segmenter: Segmenter | None = None,
        weights: dict[str, str] | None = None,
    ) -> Path:
        """The folder of an artifact, built where it is not in the store.

        Args:
            name: of the kind of artifact.
            facts: all that the artifact depends on.
            seed: of the build.
            segmenter: the one that the build may ask for predictions.
            weights: gets the pretrained weights that went into the artifact, name -> file or "none".
        """

        def fill(folder: Path, scratch: Path) -> None:
            used: dict[str, str] = {}
            build(folder, self.context(scratch, seed, segmenter, used))
            (folder / WEIGHTS).write_text(json.dumps(used))

        folder = self.store.get(name, facts, fill)
        if weights is not None:
            weights.update(json.loads((folder / WEIGHTS).read_text()))
        return folder

    def context(
        self, scratch: Path, seed: int, segmenter: Segmenter | None, weights: dict[str, str]
    ) -> Context:
        """The run that a plugin works in.

        Args:
            scratch: a folder for checkpoints of unfinished training.
            weights: gets the pretrained weights that are used, name -> file or "none".
        """

        def shared(
            name: str, config: AnyConfig, build: Build, *, seed: int = 0, inputs: Sequence[str] = ()
        ) -> Path:
            facts = shared_facts(config, build, self.train, inputs, self.precision, seed)
            return self.make(name, facts, build, seed=seed, weights=weights)

        return Context(
            info=self.train.dataset.info,
            train=self.train.train,
            device=self.device,
            precision=self.precision,
            seed=seed,
            workspace=scratch,
            segmenter=segmenter,
            track=self.track,
            artifact=shared,
            memo=self.memo,
            weights=weights,
        )


def shared_facts(
    config: AnyConfig, build: Build, train: PreparedData, inputs: Sequence[str], precision: str, seed: int
) -> dict[str, Any]:
    """All that an artifact depends on which methods share."""
    return {
        "config": config_facts(config),
        "code": code_hash(*_code_of_build(build)),
        "train": train.facts,
        "inputs": list(inputs),
        "precision": precision,
        "seed": seed,
    }


def _code_of_build(build: Any) -> list[Any]:
    """The code that a build runs: its function, and the project's or plugin's classes of its arguments."""
    arguments: list[Any] = []
    while isinstance(build, partial):
        arguments += [*build.args, *build.keywords.values()]
        build = build.func
    packages = {OWN, package_of(str(build.__module__))}
    classes = {type(argument) for argument in arguments}
    return [build, *(one for one in classes if package_of(one.__module__) in packages)]


def fold_facts(teacher: PlannedSegmenter, fold: int) -> dict[str, Any]:
    """All that a fold segmenter depends on; fold segmenters are trained even if a checkpoint is tested."""
    code = code_hash(folds.kept_and_left_out)
    return {**teacher.facts, "checkpoint": None, "fold": fold, "folds": folds.FOLDS, "split": code}


def member_facts(segmenter: PlannedSegmenter, number: int) -> dict[str, Any]:
    """All that a member of an ensemble depends on: the facts of a run with another segmenter seed."""
    return {**segmenter.facts, "seed": segmenter.seed + number}


def prediction_facts(teacher: PlannedSegmenter, needs: Needs) -> dict[str, Any]:
    """All that stored fold predictions depend on."""
    return {
        "folds": fold_facts(teacher, -1),
        "logits": needs.logits,
        "probabilities": needs.probabilities,
        "code": code_hash(folds.write_predictions, folds.bounds),
    }


def method_facts(entry: Entry, method: Method, fit_on: FitOn, group: Group, precision: str) -> dict[str, Any]:
    """All that a fitted method depends on."""
    facts: dict[str, Any] = {
        "method": [entry.name, entry.plugin],
        "key": method.fit_key(),
        "files": config_facts(method.config, method.files()).get("files"),
        "code": code_hash(*code_of(method), *code_of_pairs(fit_on)),
        "fit_on": fit_on.source,
        "train": group.train.facts,
        "precision": precision,
        "seed": group.seed,
    }
    if fit_on.source is Source.IN_FOLD:
        facts["segmenter"] = dict(group.segmenter.facts)
    if fit_on.source is Source.OUT_OF_FOLD:
        facts["predictions"] = prediction_facts(group.teacher, fit_on.needs)
    return facts


def method_artifact(job: Job, group: Group, fit_on: FitOn) -> tuple[str, dict[str, Any]]:
    """The kind of artifact that a job's fitted method is, and its facts."""
    facts = method_facts(job.entry, job.method, fit_on, group, job.identity.precision)
    return f"method-{job.entry.name}", facts


@dataclass(frozen=True)
class Stage:
    """A costly part of a run, for people, and whether the store has the artifact."""

    description: str
    stored: bool


def stages_of(group: Group, store: Store) -> list[Stage]:
    """The stages of a group in the order in which a run makes them."""
    return [*_segmenter_stages(group, store), *_fold_stages(group, store), *_method_stages(group, store)]


def _segmenter_stages(group: Group, store: Store) -> list[Stage]:
    segmenter = group.segmenter
    stages = [Stage(f"segmenter {segmenter.name}", store.has("segmenter", segmenter.facts))]
    members = max((job.method.needs().ensemble for job in group.waiting), default=0)
    for number in range(1, members):
        facts = member_facts(segmenter, number)
        description = f"segmenter {segmenter.name} of seed {facts['seed']}"
        stages.append(Stage(description, store.has("segmenter", facts)))
    return stages


def _fold_stages(group: Group, store: Store) -> list[Stage]:
    """The fold segmenters and their stored predictions, as far as a job is still to be fitted on them."""
    teacher = group.teacher
    stages: dict[str, Stage] = {}
    for job in group.waiting:
        fit_on = job.method.fit_on()
        if fit_on is None or fit_on.source is not Source.OUT_OF_FOLD:
            continue
        if store.has(*method_artifact(job, group, fit_on)):
            continue
        for fold in range(folds.FOLDS):
            description = f"segmenter {teacher.name}, fold {fold + 1} of {folds.FOLDS}"
            stages[description] = Stage(description, store.has("segmenter", fold_facts(teacher, fold)))
        if folds.can_be_stored(fit_on.needs):
            facts = prediction_facts(teacher, fit_on.needs)
            stages[str(facts)] = Stage(
                f"predictions of {teacher.name}'s folds", store.has("predictions", facts)
            )
    return list(stages.values())


def _method_stages(group: Group, store: Store) -> list[Stage]:
    stages = []
    for job in group.waiting:
        fit_on = job.method.fit_on()
        if fit_on is not None:
            stored = store.has(*method_artifact(job, group, fit_on))
            stages.append(Stage(f"fit {job.entry.name} for {job.identity.task}", stored))
    return stages
