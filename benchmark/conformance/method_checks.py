"""The checks of a method, which is tried with a segmenter that needs no training."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..interfaces import (
    Config,
    Context,
    DatasetInfo,
    Item,
    Method,
    Needs,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Source,
    Task,
    View,
)
from ..interfaces.errors import BenchError
from ..plugins.configure import configure, nested
from ..plugins.registry import Entry
from ..training.fold_predictions import LabelPairs, LivePairs
from .colour_segmenter import ColourSegmenter
from .requirement import (
    Check,
    NonconformingError,
    require,
    require_no_pickles,
    require_strict_config,
    require_subclass,
)
from .toys import TOYS, made_toy, toy_class, toy_context


class _Case(NamedTuple):
    """A method, and the task and number of dimensions that it is tried on."""

    entry: Entry
    task: Task
    ndim: int


class _Trial(NamedTuple):
    """A method that is ready to score, with test images and their predictions."""

    method: Method
    test: list[Item]
    context: Context

    def scores(self, method: Method | None = None) -> list[Scores]:
        """The scores of all images, by this method or another; no memo holds results of an earlier call."""
        items = [Item(item.view, item.prediction) for item in self.test]
        return (method or self.method).score(items, self.context)


def method_checks(entry: Entry) -> Iterator[Check]:
    """The checks of a registered method: most are made once for each of its tasks and dimensions."""
    yield Check("declares what it registers", partial(_check_declares, entry))
    yield Check("declares options of its Config", partial(_check_options, entry))
    for ndim in entry.ndims:
        for task in (task for task in entry.tasks if task in TOYS[ndim]):
            case, where = _Case(entry, task, ndim), f"{task}, volumes" if ndim == 3 else f"{task}"
            for protocol in Protocol:
                yield Check(f"scores ({where}, {protocol})", partial(_check_scores, case, protocol))
            yield Check(f"scores alone as in a batch ({where})", partial(_check_batches, case))
            yield Check(f"scores twice alike ({where})", partial(_check_repeats, case))
            yield Check(f"leaves predictions as they are ({where})", partial(_check_leaves, case))
            if entry.trains:
                yield Check(f"saves and loads ({where})", partial(_check_saves, case))


def _check_declares(entry: Entry, folder: Path) -> None:
    method_class = entry.load()
    require_subclass(method_class, Method, entry.target)
    require(entry.tasks, f"{entry.name} is registered without tasks")
    require(entry.summary, f"{entry.name} is registered without a summary")
    fits = False
    for _, method in _configured(entry, method_class):
        fits = fits or method.fit_on() is not None
        require(isinstance(method.needs(), Needs), f"{entry.name}.needs() does not return Needs")
    require(
        entry.trains == fits,
        f"{entry.name} is registered with trains={entry.trains}, but its fit_on() says otherwise",
    )
    require_strict_config(method_class, entry.name)


_Settings = tuple[Preset, Protocol, DatasetInfo]


def _configured(entry: Entry, method_class: type[Method]) -> Iterator[tuple[_Settings, Method]]:
    """The method without options of a user, in all the settings that it can run in."""
    for ndim, task, preset, protocol in product(entry.ndims, entry.tasks, Preset, Protocol):
        if task in TOYS[ndim]:
            settings = preset, protocol, toy_class(task, ndim).info
            yield settings, method_class(configure(method_class, entry.name, {}, *settings), task)


def _check_options(entry: Entry, folder: Path) -> None:
    """Every `Option` is a key of `Config`, and its rows and candidates are values that `Config` takes."""
    method_class = entry.load()
    for settings, method in _configured(entry, method_class):
        for option in method.options():
            require(
                _has_key(method.config, option.name),
                f"options() names '{option.name}', which is no key of Config",
            )
            for value in (*option.rows, *option.candidates):
                try:
                    configure(method_class, entry.name, nested(option.name, value), *settings)
                except BenchError as error:
                    raise NonconformingError(f"Option '{option.name}', value {value!r}: {error}") from error


def _has_key(config: object, name: str) -> bool:
    """Whether a configuration has a key; nested keys are joined by dots."""
    for key in name.split("."):
        if not hasattr(config, key):
            return False
        config = getattr(config, key)
    return True


def _check_scores(case: _Case, protocol: Protocol, folder: Path) -> None:
    trial = _ready(case, folder, protocol)
    answers = trial.scores()
    require(
        len(answers) == len(trial.test), f"score() gives {len(answers)} Scores for {len(trial.test)} images"
    )
    for item, scores in zip(trial.test, answers, strict=True):
        if case.task is Task.IMAGE_FAILURE:
            _require_quality(scores, len(trial.context.info.classes))
        else:
            _require_pixel(scores, item.view.image.shape[1:])


def _require_quality(scores: Scores, classes: int) -> None:
    quality = scores.quality
    require(quality is not None, "Scores.quality is missing")
    assert quality is not None
    require(np.shape(quality) == (classes,), f"Scores.quality is {np.shape(quality)}, not ({classes},)")
    require(np.isfinite(quality).all(), "Scores.quality is not finite for every class")


def _require_pixel(scores: Scores, shape: tuple[int, ...]) -> None:
    pixel, confidence = scores.pixel, scores.confidence
    require(isinstance(pixel, np.ndarray), f"Scores.pixel is {type(pixel).__name__}, not a numpy array")
    assert pixel is not None
    require(pixel.dtype == np.float32, f"Scores.pixel is {pixel.dtype}, not float32")
    require(pixel.shape == shape, f"Scores.pixel is {pixel.shape}, the image {shape}")
    require(not np.isnan(pixel).any(), "Scores.pixel holds NaN")
    require(pixel.min() < pixel.max(), "Scores.pixel is the same everywhere")
    if confidence is not None:
        require(confidence.shape == shape, f"Scores.confidence is {confidence.shape}, the image {shape}")
        inside = (confidence >= 0) & (confidence <= 1)
        require(inside.all(), "Scores.confidence leaves [0, 1], so it is not a probability")


def _check_batches(case: _Case, folder: Path) -> None:
    trial = _ready(case, folder)
    together = trial.scores()
    alone = [trial.method.score([Item(item.view, item.prediction)], trial.context)[0] for item in trial.test]
    _require_equal(together, alone, 1e-4, "scores depend on how images are batched")


def _check_repeats(case: _Case, folder: Path) -> None:
    trial = _ready(case, folder)
    first = trial.scores()
    torch.manual_seed(1)
    second = trial.scores()
    _require_equal(first, second, 0.0, "the same images get other scores the second time")


def _check_leaves(case: _Case, folder: Path) -> None:
    trial = _ready(case, folder)
    before = pickle.dumps([(item.view.image, item.prediction) for item in trial.test])
    trial.scores()
    after = pickle.dumps([(item.view.image, item.prediction) for item in trial.test])
    require(before == after, "score() changes predictions or images, which other methods read, too")


def _check_saves(case: _Case, folder: Path) -> None:
    trial = _ready(case, folder)
    if trial.method.fit_on() is None:  # a method may train for one task and not for another
        return
    first = trial.scores()
    require_no_pickles(folder / "fitted")
    loaded = type(trial.method)(trial.method.config, case.task)
    loaded.load(folder / "fitted", trial.context)
    _require_equal(first, trial.scores(loaded), 1e-5, "scores differ after save and load")


def _ready(case: _Case, folder: Path, protocol: Protocol = Protocol.OFFICIAL) -> _Trial:
    """A method at the preset `smoke`, fitted where it trains, and the test images of the toy."""
    entry, task, ndim = case
    dataset = made_toy(toy_class(task, ndim), folder)
    info = dataset.info
    method_class: type[Method] = entry.load()
    method = method_class(configure(method_class, entry.name, {}, Preset.SMOKE, protocol, info), task)
    segmenter = ColourSegmenter(Config(), info)
    reason = method.skip(info)
    require(reason is None, f"skip() refuses {info.name}: {reason}")
    context = toy_context(dataset, folder, segmenter)
    fit_on = method.fit_on()
    if fit_on is not None:
        samples = dataset.samples("train")
        pairs: Pairs = (
            LabelPairs(samples, "toy")
            if fit_on.source is Source.LABELS
            else LivePairs(samples, "toy", lambda number: segmenter, fit_on.needs, "cpu", 0)
        )
        method.fit(pairs, context if fit_on.source is Source.IN_FOLD else replace(context, segmenter=None))
        saved = folder / "fitted"
        saved.mkdir()
        method.save(saved)
        method.load(saved, context)
    views = [sample.view for sample in dataset.samples("test")]
    # One image of another size, odd in both directions: batches need not be of one size for a method.
    cut = np.ascontiguousarray(views[-1].image[..., :-3, :-5])
    views[-1] = View(views[-1].key, cut)
    items = [
        Item(view, segmenter.predict(torch.from_numpy(view.image)[None], [view.key], method.needs(), 0)[0])
        for view in views
    ]
    return _Trial(method, items, context)


def _require_equal(first: Sequence[Scores], second: Sequence[Scores], tolerance: float, message: str) -> None:
    for one, two in zip(first, second, strict=True):
        for name in ("pixel", "quality"):
            a, b = getattr(one, name), getattr(two, name)
            require((a is None) == (b is None), message)
            if a is not None:
                close = np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
                require(close, f"{message} (by up to {np.abs(a - b).max():.3g})")
