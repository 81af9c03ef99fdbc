"""The costly stages of a run, each kept in the store: segmenters, fold predictions, fitted methods."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..interfaces import (
    AnyConfig,
    Context,
    DatasetInfo,
    FitOn,
    Memo,
    Needs,
    Pairs,
    Prediction,
    Sample,
    Segmenter,
    Source,
)
from ..interfaces.errors import BenchError
from ..storage.code_hash import code_hash
from ..storage.store import Store, key_of
from . import folds
from .plan import Cell, Group, Network, classes_of, config_facts
from .request import Request

Track = Callable[[Iterable[Any], str, int | None], Iterable[Any]]
Build = Callable[[Path, Context], None]

WEIGHTS = "weights.json"
"""Beside every artifact: the pretrained weights that went into it."""


class Stages:
    """Makes the stages of one group, or takes them from the store.

    Attributes:
        timings: stage -> seconds, of what was made or loaded here.
        weights: pretrained weights that the segmenter started from, name -> file or "none".
    """

    def __init__(self, request: Request, group: Group, store: Store, device: str, track: Track) -> None:
        self.request = request
        self.group = group
        self.store = store
        self.device = device
        self.track = track
        self.timings: dict[str, float] = {}
        self.weights: dict[str, str] = {}
        self._memo = Memo()
        self._others: list[Segmenter] = []
        self._fold = lru_cache(maxsize=folds.FOLDS)(self._load_fold)

    def segmenter(self) -> None:
        """Train the group's segmenter, or load it."""
        network = self.group.network

        def build(folder: Path, context: Context) -> None:
            if self.request.checkpoint is not None:
                network.model.load_checkpoint(self.request.checkpoint, self.device)
                context.weights[network.name] = self.request.checkpoint.name
            else:
                network.model.fit(self.group.train.train, context)
            network.model.save(folder)

        start = time.perf_counter()
        folder = self._made("segmenter", network.facts, build, network.seed, None, self.weights)
        network.model.load(folder, self.device)
        self.timings["segmenter"] = time.perf_counter() - start

    def members(self, count: int) -> list[Segmenter]:
        """The group's segmenter and more of the seeds after its own, `count` together."""
        network, samples = self.group.network, self.group.train.train
        while len(self._others) < count - 1:
            facts = member_facts(network, len(self._others) + 1)
            self._others.append(self._trained(network, facts, samples))
        return [network.model, *self._others][:count]

    def predict(self, images: Tensor, keys: Sequence[str], needs: Needs) -> list[Prediction]:
        """What the group's segmenter says of images of one size, with its ensemble where that is needed."""
        first, *others = self.members(max(needs.ensemble, 1))
        seed = self.group.seed
        predictions = first.predict(images, keys, needs.of_one, seed)
        if needs.ensemble:
            more = [model.predict(images, keys, Needs(probabilities=True), seed) for model in others]
            for together in zip(predictions, *more, strict=True):
                softmaxes = [each.probabilities for each in together if each.probabilities is not None]
                together[0].members = torch.stack(softmaxes)
        return predictions

    def fit(self, cell: Cell) -> None:
        """Fit a cell's method, or load what it learned; have the members of its ensemble ready.

        A training-free method of one segmenter passes.
        """
        fit_on, count = cell.method.fit_on(), cell.method.needs().ensemble
        start = time.perf_counter()
        if count:
            self.members(count)
        if fit_on is not None:
            self._fit(cell, fit_on)
        if count or fit_on is not None:
            cell.fit_seconds = time.perf_counter() - start

    def _fit(self, cell: Cell, fit_on: FitOn) -> None:
        predicted_by = fit_on.source

        def build(folder: Path, context: Context) -> None:
            pairs = self._pairs(fit_on)
            if predicted_by is not Source.LABELS and not len(pairs):
                raise BenchError(
                    f"{cell.entry.name} learns from a segmenter's predictions of the training split, and "
                    f"{self.group.train.dataset.info.name} has none: name another with --train-dataset"
                )
            if predicted_by is not Source.LABELS:
                source = self.group.network if predicted_by is Source.IN_FOLD else self.group.teacher
                check_classes(pairs[0].prediction, self.group.train.dataset.info, source.name)
            cell.method.fit(pairs, context)
            cell.method.save(folder)

        # Whoever learns from other predictions than the final segmenter's own must not depend on it.
        seen = self.group.network.model if predicted_by is Source.IN_FOLD else None
        facts = fit_facts(cell, self.group)
        folder = self._made(f"method-{cell.entry.name}", facts, build, self.group.seed, seen, cell.weights)
        cell.method.load(folder, self.scoring(cell))

    def fitted(self) -> None:
        """Let go of what only fitting needs."""
        self._fold.cache_clear()

    def scoring(self, cell: Cell) -> Context:
        """What a cell's method is loaded and scores with."""
        scratch = self.store.scratch / f"score-{cell.identity.key}"
        return self._context(scratch, self.group.seed, self.group.network.model, cell.weights)

    def _made(
        self,
        kind: str,
        facts: dict[str, Any],
        build: Build,
        seed: int,
        segmenter: Segmenter | None,
        weights: dict[str, str],
    ) -> Path:
        """An artifact of the store; the pretrained weights that went into it are added to `weights`."""

        def fill(folder: Path, scratch: Path) -> None:
            used: dict[str, str] = {}
            build(folder, self._context(scratch, seed, segmenter, used))
            (folder / WEIGHTS).write_text(json.dumps(used))

        folder = self.store.get(kind, facts, fill)
        weights.update(json.loads((folder / WEIGHTS).read_text()))
        return folder

    def _context(
        self, scratch: Path, seed: int, segmenter: Segmenter | None, weights: dict[str, str]
    ) -> Context:
        group = self.group

        def artifact(
            name: str, config: AnyConfig, build: Build, *, seed: int = 0, inputs: Sequence[str] = ()
        ) -> Path:
            facts = {
                "config": config_facts(config),
                "code": code_hash(_module(build)),
                "train": group.train.facts,
                "inputs": list(inputs),
                "precision": self.request.precision,
                "seed": seed,
            }
            return self._made(name, facts, build, seed, None, weights)

        return Context(
            info=group.train.dataset.info,
            train=group.train.train,
            device=self.device,
            precision=self.request.precision,
            seed=seed,
            workspace=scratch,
            segmenter=segmenter,
            track=self.track,
            artifact=artifact,
            memo=self._memo,
            weights=weights,
        )

    def _pairs(self, fit_on: FitOn) -> Pairs:
        samples, needs = self.group.train.train, fit_on.needs
        network, teacher = self.group.network, self.group.teacher
        device = self.device
        if fit_on.source is Source.LABELS:
            return folds.LabelPairs(samples, key_of(self.group.train.facts))
        if fit_on.source is Source.IN_FOLD:
            key = key_of(network.facts)
            return folds.LivePairs(samples, key, lambda number: network.model, needs, device, network.seed)
        if folds.can_be_stored(needs):
            key = key_of(prediction_facts(teacher, needs))
            return folds.StoredPairs(samples, key, self._out_of_fold(needs))
        key = key_of(fold_facts(teacher, -1))
        fold_of = [k for k, (start, end) in enumerate(folds.bounds(len(samples))) for _ in range(start, end)]
        return folds.LivePairs(
            samples, key, lambda number: self._fold(fold_of[number]), needs, device, teacher.seed
        )

    def _out_of_fold(self, needs: Needs) -> Path:
        """Predictions of the whole training split, each by the fold segmenter that has not seen the image."""
        teacher, samples = self.group.teacher, self.group.train.train

        def build(folder: Path, context: Context) -> None:
            for k, (start, _) in enumerate(folds.bounds(len(samples))):
                _, left_out = folds.kept_and_left_out(samples, k)
                folds.write_predictions(
                    folder, start, left_out, self._fold(k), needs, self.device, teacher.seed
                )

        return self._made("predictions", prediction_facts(teacher, needs), build, teacher.seed, None, {})

    def _load_fold(self, fold: int) -> Segmenter:
        kept, _ = folds.kept_and_left_out(self.group.train.train, fold)
        return self._trained(self.group.teacher, fold_facts(self.group.teacher, fold), kept)

    def _trained(self, network: Network, facts: dict[str, Any], samples: Sequence[Sample]) -> Segmenter:
        """A segmenter like `network`'s, trained on `samples`, or taken from the store."""
        model = type(network.model)(network.model.config, network.model.dataset)

        def build(folder: Path, context: Context) -> None:
            model.fit(samples, context)
            model.save(folder)

        model.load(self._made("segmenter", facts, build, facts["seed"], None, {}), self.device)
        return model


def check_classes(prediction: Prediction | None, info: DatasetInfo, segmenter: str) -> None:
    """A segmenter's prediction is of the classes of the data set that it was trained on.

    Raises:
        BenchError: it has others, so that methods fitted on one segmenter could not read another's.
    """
    assert prediction is not None
    known = len(info.classes)
    for maps in (prediction.probabilities, prediction.logits):
        if maps is not None and len(maps) != known:
            raise BenchError(
                f"segmenter '{segmenter}' predicts {len(maps)} classes, but {info.name} has {known}: "
                "the segmenter that methods are fitted on and the one that is tested must have the same"
            )
    if int(prediction.labels.max()) >= known:
        raise BenchError(
            f"segmenter '{segmenter}' predicts class {int(prediction.labels.max())}, but {info.name} has "
            f"{known}, numbered from 0"
        )


def fold_facts(teacher: Network, fold: int) -> dict[str, Any]:
    """All that a fold's segmenter depends on; it is trained here even where the final one is a checkpoint."""
    return {**teacher.facts, "checkpoint": None, "fold": fold, "folds": folds.FOLDS}


def member_facts(network: Network, number: int) -> dict[str, Any]:
    """All that an ensemble's member depends on: those of a run of another segmenter seed."""
    return {**network.facts, "seed": network.seed + number}


def prediction_facts(teacher: Network, needs: Needs) -> dict[str, Any]:
    """All that stored fold predictions depend on."""
    return {
        "folds": fold_facts(teacher, -1),
        "logits": needs.logits,
        "probabilities": needs.probabilities,
        "code": code_hash("segalarm.benchmark.run.folds"),
    }


def fit_facts(cell: Cell, group: Group) -> dict[str, Any]:
    """All that a fitted method depends on."""
    fit_on = cell.method.fit_on()
    assert fit_on is not None
    facts: dict[str, Any] = {
        "method": cell.entry.target,
        "key": cell.method.fit_key(),
        "files": config_facts(cell.method.config, cell.method.files()).get("files"),
        "code": code_hash(*(kind.__module__ for kind in classes_of(cell.method))),
        "fit_on": fit_on.source,
        "train": group.train.facts,
        "precision": cell.identity.precision,
        "seed": group.seed,
    }
    if fit_on.source is Source.IN_FOLD:
        facts["segmenter"] = dict(group.network.facts)
    if fit_on.source is Source.OUT_OF_FOLD:
        facts["predictions"] = prediction_facts(group.teacher, fit_on.needs)
    return facts


def stages_of(group: Group, store: Store) -> list[tuple[str, bool]]:
    """(stage, whether it is in the store) in the order in which a run makes them."""
    network, teacher = group.network, group.teacher
    found = [(f"segmenter {network.name}", store.has("segmenter", network.facts))]
    for number in range(1, max((cell.method.needs().ensemble for cell in group.waiting), default=0)):
        facts = member_facts(network, number)
        found.append((f"segmenter {network.name} of seed {facts['seed']}", store.has("segmenter", facts)))
    learning = [(cell, fit_on) for cell in group.waiting if (fit_on := cell.method.fit_on()) is not None]
    stored: dict[str, tuple[str, bool]] = {}
    for cell, fit_on in learning:
        if fit_on.source is not Source.OUT_OF_FOLD or store.has(*_fit_artifact(cell, group)):
            continue
        for k in range(folds.FOLDS):
            made = store.has("segmenter", fold_facts(teacher, k))
            stored[f"fold {k}"] = (f"segmenter {teacher.name}, fold {k + 1} of {folds.FOLDS}", made)
        if folds.can_be_stored(fit_on.needs):
            facts = prediction_facts(teacher, fit_on.needs)
            stored[key_of(facts)] = (
                f"predictions of {teacher.name}'s folds",
                store.has("predictions", facts),
            )
    found += stored.values()
    for cell, _ in learning:
        made = store.has(*_fit_artifact(cell, group))
        found.append((f"fit {cell.entry.name} for {cell.identity.task}", made))
    return found


def _fit_artifact(cell: Cell, group: Group) -> tuple[str, dict[str, Any]]:
    return f"method-{cell.entry.name}", fit_facts(cell, group)


def _module(build: Any) -> str:
    """Where a function's code stands; a partial's is that of what it calls."""
    while isinstance(build, partial):
        build = build.func
    return str(getattr(build, "__module__", ""))
