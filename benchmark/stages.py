"""The costly stages of a run, each kept in the store: segmenters, fold predictions, fitted methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from segalarm.benchmark import folds
from segalarm.benchmark.code import code_hash
from segalarm.benchmark.interfaces import Context, FitOn, Needs, Pair, Segmenter
from segalarm.benchmark.plan import Cell, Group, Network
from segalarm.benchmark.request import Request
from segalarm.benchmark.store import Store

Track = Callable[[Iterable[Any], str, int | None], Iterable[Any]]


class Stages:
    """Makes the stages of one group, or takes them from the store.

    Attributes:
        timings: stage -> seconds, of what was made or loaded here.
        weights: pretrained weights that were used, name -> file or "none".
    """

    def __init__(self, request: Request, group: Group, store: Store, device: str, track: Track) -> None:
        self.request = request
        self.group = group
        self.store = store
        self.device = device
        self.track = track
        self.timings: dict[str, float] = {}
        self.weights: dict[str, str] = {}
        self._fold = lru_cache(maxsize=folds.FOLDS)(self._load_fold)

    def segmenter(self) -> None:
        """Train the group's segmenter, or load it."""
        network = self.group.network

        def build(folder: Path, scratch: Path) -> None:
            if self.request.checkpoint is not None:
                network.model.load_checkpoint(self.request.checkpoint, self.device)
            else:
                context = self.context(scratch, network.facts["seed"], None)
                network.model.fit(self.group.train.train, context)
            network.model.save(folder)

        start = time.perf_counter()
        network.model.load(self.store.get("segmenter", network.facts, build), self.device)
        self.timings["segmenter"] = time.perf_counter() - start

    def fit(self, cell: Cell) -> None:
        """Fit a cell's method, or load what it learned. A training-free one passes."""
        if cell.method.fit_on() is FitOn.NOTHING:
            return

        def build(folder: Path, scratch: Path) -> None:
            context = self.context(scratch, self.group.seed, self.group.network.model)
            cell.method.fit(self._pairs(cell), context)
            cell.method.save(folder)

        start = time.perf_counter()
        cell.method.load(
            self.store.get(f"method-{cell.entry.name}", fit_facts(cell, self.group), build), self.device
        )
        cell.fit_seconds = time.perf_counter() - start

    def context(self, scratch: Path, seed: int, segmenter: Segmenter | None) -> Context:
        """The run as a plugin sees it."""
        group = self.group

        def artifact(name: str, config: Mapping[str, Any], build: Callable[[Path, Path], None]) -> Path:
            facts = {
                "config": dict(config),
                "code": code_hash(getattr(build, "__module__", "")),
                "train": group.train.facts("train"),
                "preset": group.preset,
                "protocol": self.request.protocol,
                "seed": seed,
            }
            return self.store.get(name, facts, build)

        return Context(
            info=group.data.dataset.info,
            device=self.device,
            precision=self.request.precision,
            seed=seed,
            preset=group.preset,
            protocol=self.request.protocol,
            workspace=scratch,
            segmenter=segmenter,
            track=self.track,
            artifact=artifact,
            weights=self.weights,
        )

    def _pairs(self, cell: Cell) -> Sequence[Pair]:
        samples, needs = self.group.train.train, cell.method.fit_needs()
        kind = cell.method.fit_on()
        if kind is FitOn.LABELS:
            return folds.LabelPairs(samples)
        if kind is FitOn.IN_FOLD:
            model = self.group.network.model
            return folds.LivePairs(samples, lambda number: model, needs, self.device, self.group.seed)
        if folds.can_be_stored(needs):
            return folds.StoredPairs(samples, self._out_of_fold(needs))
        fold_of = [k for k, (start, end) in enumerate(folds.bounds(len(samples))) for _ in range(start, end)]
        return folds.LivePairs(
            samples, lambda number: self._fold(fold_of[number]), needs, self.device, self.group.seed
        )

    def _out_of_fold(self, needs: Needs) -> Path:
        """Predictions of the whole training split, each by the fold segmenter that has not seen the image."""
        teacher, samples = self.group.teacher, self.group.train.train

        def build(folder: Path, scratch: Path) -> None:
            for k, (start, _) in enumerate(folds.bounds(len(samples))):
                _, left_out = folds.kept_and_left_out(samples, k)
                seed = teacher.facts["seed"]
                folds.write_predictions(folder, start, left_out, self._fold(k), needs, self.device, seed)

        return self.store.get("predictions", prediction_facts(teacher, needs), build)

    def _load_fold(self, fold: int) -> Segmenter:
        teacher, samples = self.group.teacher, self.group.train.train
        model = type(teacher.model)(teacher.model.config, teacher.model.dataset)

        def build(folder: Path, scratch: Path) -> None:
            kept, _ = folds.kept_and_left_out(samples, fold)
            model.fit(kept, self.context(scratch, teacher.facts["seed"], None))
            model.save(folder)

        model.load(self.store.get("segmenter", fold_facts(teacher, fold), build), self.device)
        return model


def fold_facts(teacher: Network, fold: int) -> dict[str, Any]:
    """All that a fold's segmenter depends on; it is trained here even where the final one is a checkpoint."""
    return {**teacher.facts, "checkpoint": None, "fold": fold, "folds": folds.FOLDS}


def prediction_facts(teacher: Network, needs: Needs) -> dict[str, Any]:
    """All that stored fold predictions depend on."""
    return {
        "folds": fold_facts(teacher, -1),
        "logits": needs.logits,
        "probabilities": needs.probabilities,
        "code": code_hash("segalarm.benchmark.folds"),
    }


def fit_facts(cell: Cell, group: Group) -> dict[str, Any]:
    """All that a fitted method depends on."""
    kind = cell.method.fit_on()
    facts: dict[str, Any] = {
        "method": cell.entry.target,
        "config": cell.identity.method_config,
        "code": code_hash(type(cell.method).__module__),
        "task": cell.identity.task,
        "fit_on": kind,
        "train": group.train.facts("train"),
        "preset": group.preset,
        "protocol": cell.identity.protocol,
        "seed": group.seed,
    }
    if kind is FitOn.IN_FOLD:
        facts["segmenter"] = group.network.facts
    if kind is FitOn.OUT_OF_FOLD:
        facts["segmenter"] = fold_facts(group.teacher, -1)
    return facts


def stages_of(group: Group, store: Store) -> list[tuple[str, bool]]:
    """(stage, whether it is in the store) in the order in which a run makes them."""
    network = group.network
    found = [(f"segmenter {network.name}", store.has("segmenter", network.facts))]
    waiting = [cell for cell in group.waiting if cell.method.fit_on() is not FitOn.NOTHING]
    if any(cell.method.fit_on() is FitOn.OUT_OF_FOLD for cell in waiting):
        for k in range(folds.FOLDS):
            made = store.has("segmenter", fold_facts(group.teacher, k))
            found.append((f"segmenter {group.teacher.name}, fold {k + 1} of {folds.FOLDS}", made))
    for cell in waiting:
        made = store.has(f"method-{cell.entry.name}", fit_facts(cell, group))
        found.append((f"fit {cell.entry.name} for {cell.identity.task}", made))
    return found
