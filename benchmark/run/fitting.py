"""Segmenters are trained and methods fitted, or taken from the store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..interfaces import (
    Context,
    DatasetInfo,
    FitOn,
    Method,
    Needs,
    Pairs,
    Prediction,
    Sample,
    Segmenter,
    Source,
)
from ..interfaces.errors import BenchError
from ..planning.inputs import PlannedSegmenter
from ..planning.jobs import Group, Job
from ..planning.request import Request
from ..storage.store import Store, key_of
from ..training import fold_predictions as folds
from .artifacts import Artifacts, Track, fold_facts, member_facts, method_artifact, prediction_facts


@dataclass(frozen=True)
class FittedJob:
    """A job whose method can score.

    Attributes:
        method: fitted or loaded.
        context: what the method scores in.
        weights: pretrained weights that went into the method, name -> file or "none".
        fit_seconds: what fitting or loading took; None for a training-free method of one segmenter.
    """

    job: Job
    method: Method
    context: Context
    weights: Mapping[str, str] = field(default_factory=dict)
    fit_seconds: float | None = None

    @property
    def timings(self) -> dict[str, float]:
        """Stage -> seconds, for the record."""
        return {} if self.fit_seconds is None else {"fit": self.fit_seconds}


class Fitting:
    """The segmenters of one group, and the methods that are fitted on their predictions.

    Attributes:
        timings: stage -> seconds, of everything that was made or loaded here.
        weights: pretrained weights that the segmenter started from, name -> file or "none".
    """

    def __init__(self, request: Request, group: Group, store: Store, device: str, track: Track) -> None:
        self.request = request
        self.group = group
        self.artifacts = Artifacts(store, group.train, device, request.precision, track)
        self.timings: dict[str, float] = {}
        self.weights: dict[str, str] = {}
        self._others: list[Segmenter] = []
        self._fold = lru_cache(maxsize=folds.FOLDS)(self._load_fold)

    @property
    def device(self) -> str:
        """The torch device that everything runs on."""
        return self.artifacts.device

    def segmenter(self) -> None:
        """Train the group's segmenter, or load it."""
        planned, checkpoint = self.group.segmenter, self.request.checkpoint

        def build(folder: Path, context: Context) -> None:
            if checkpoint is not None:
                planned.model.load_checkpoint(checkpoint, self.device)
                context.weights[planned.name] = checkpoint.name
            else:
                planned.model.fit(self.group.train.train, context)
            planned.model.save(folder)

        start = time.perf_counter()
        folder = self.artifacts.make(
            "segmenter", planned.facts, build, seed=planned.seed, weights=self.weights
        )
        planned.model.load(folder, self.device)
        self.timings["segmenter"] = time.perf_counter() - start

    def members(self, count: int) -> list[Segmenter]:
        """The segmenters of an ensemble: the group's own, and others of the seeds after its own."""
        planned, samples = self.group.segmenter, self.group.train.train
        while len(self._others) < count - 1:
            facts = member_facts(planned, len(self._others) + 1)
            self._others.append(self._trained(planned, facts, samples))
        return [planned.model, *self._others][:count]

    def fit(self, job: Job) -> FittedJob:
        """Fit a job's method or load what the method learned; have the members of its ensemble ready.

        A training-free method of one segmenter passes as it is.
        """
        method = type(job.method)(job.method.config, job.method.task)
        fit_on, members = method.fit_on(), method.needs().ensemble
        weights: dict[str, str] = {}
        scratch = self.artifacts.store.scratch / f"score-{job.identity.key}"
        context = self.artifacts.context(scratch, self.group.seed, self.group.segmenter.model, weights)
        start = time.perf_counter()
        if members:
            self.members(members)
        if fit_on is not None:
            method.load(self._fitted(job, method, fit_on, weights), context)
        seconds = time.perf_counter() - start if members or fit_on is not None else None
        return FittedJob(job, method, context, weights, seconds)

    def _fitted(self, job: Job, method: Method, fit_on: FitOn, weights: dict[str, str]) -> Path:
        """The folder of what a method learned."""
        group = self.group
        info = group.train.dataset.info

        def build(folder: Path, context: Context) -> None:
            pairs = self._pairs(fit_on)
            if fit_on.source is not Source.LABELS:
                if not len(pairs):
                    raise BenchError(
                        f"{job.entry.name} learns from a segmenter's predictions of the training split, and "
                        f"{info.name} has none: name another with --train-dataset"
                    )
                source = group.segmenter if fit_on.source is Source.IN_FOLD else group.teacher
                check_classes(pairs[0].prediction, info, source.name)
            method.fit(pairs, context)
            method.save(folder)

        # A method that learns from other predictions than the final segmenter's must not depend on it.
        seen = group.segmenter.model if fit_on.source is Source.IN_FOLD else None
        name, facts = method_artifact(job, group, fit_on)
        return self.artifacts.make(name, facts, build, seed=group.seed, segmenter=seen, weights=weights)

    def release_folds(self) -> None:
        """Let go of the fold segmenters, which only fitting needs."""
        self._fold.cache_clear()

    def _pairs(self, fit_on: FitOn) -> Pairs:
        """The training samples with the predictions that a method is fitted on."""
        samples, needs, device = self.group.train.train, fit_on.needs, self.device
        segmenter, teacher = self.group.segmenter, self.group.teacher
        if fit_on.source is Source.LABELS:
            return folds.LabelPairs(samples, key_of(self.group.train.facts))
        if fit_on.source is Source.IN_FOLD:
            key = key_of(segmenter.facts)
            return folds.LivePairs(
                samples, key, lambda number: segmenter.model, needs, device, segmenter.seed
            )
        if folds.can_be_stored(needs):
            key = key_of(prediction_facts(teacher, needs))
            return folds.StoredPairs(samples, key, self._stored_predictions(needs))
        key = key_of(fold_facts(teacher, -1))
        fold_of = [k for k, (start, end) in enumerate(folds.bounds(len(samples))) for _ in range(start, end)]
        return folds.LivePairs(
            samples, key, lambda number: self._fold(fold_of[number]), needs, device, teacher.seed
        )

    def _stored_predictions(self, needs: Needs) -> Path:
        """Predictions of the whole training split, each by the fold segmenter that has not seen the image."""
        teacher, samples = self.group.teacher, self.group.train.train

        def build(folder: Path, context: Context) -> None:
            for fold, (start, _) in enumerate(folds.bounds(len(samples))):
                _, left_out = folds.kept_and_left_out(samples, fold)
                folds.write_predictions(
                    folder, start, left_out, self._fold(fold), needs, self.device, teacher.seed
                )

        facts = prediction_facts(teacher, needs)
        return self.artifacts.make("predictions", facts, build, seed=teacher.seed)

    def _load_fold(self, fold: int) -> Segmenter:
        kept, _ = folds.kept_and_left_out(self.group.train.train, fold)
        return self._trained(self.group.teacher, fold_facts(self.group.teacher, fold), kept)

    def _trained(
        self, planned: PlannedSegmenter, facts: Mapping[str, Any], samples: Sequence[Sample]
    ) -> Segmenter:
        """A segmenter of the planned configuration, trained on `samples`, or taken from the store."""
        model = type(planned.model)(planned.model.config, planned.model.dataset)

        def build(folder: Path, context: Context) -> None:
            model.fit(samples, context)
            model.save(folder)

        model.load(self.artifacts.make("segmenter", facts, build, seed=facts["seed"]), self.device)
        return model


def fit_group(
    request: Request, group: Group, store: Store, device: str, track: Track
) -> tuple[Fitting, list[FittedJob]]:
    """The segmenter of a group and every waiting job's method, fitted; makes what is not in the store yet.

    Raises:
        BenchError: something cannot be fitted. Whatever else a plugin raises passes.
    """
    fitting = Fitting(request, group, store, device, track)
    fitting.segmenter()
    fitted = [fitting.fit(job) for job in group.waiting]
    fitting.release_folds()
    return fitting, fitted


def check_classes(prediction: Prediction | None, info: DatasetInfo, segmenter: str) -> None:
    """Check that a segmenter predicts the classes of the data set that it was trained on.

    Raises:
        BenchError: it predicts others, so that methods fitted on one segmenter could not read another's.
    """
    assert prediction is not None
    classes = len(info.classes)
    for maps in (prediction.probabilities, prediction.logits):
        if maps is not None and len(maps) != classes:
            raise BenchError(
                f"segmenter '{segmenter}' predicts {len(maps)} classes, but {info.name} has {classes}: "
                "the segmenter that methods are fitted on and the one that is tested must have the same"
            )
    if int(prediction.labels.max()) >= classes:
        raise BenchError(
            f"segmenter '{segmenter}' predicts class {int(prediction.labels.max())}, but {info.name} has "
            f"{classes}, numbered from 0"
        )
