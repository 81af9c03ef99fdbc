"""Conformance kit: what every plugin must do, as checks that its author runs in a test.

    @pytest.mark.parametrize("check", checks("methods", "my-alarm"), ids=str)
    def test_my_alarm_conforms(check, tmp_path):
        check(tmp_path)

`bench check NAME` runs the same from the command line.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..interfaces import (
    VOID,
    Config,
    Context,
    Dataset,
    DatasetInfo,
    Features,
    FitOn,
    Item,
    Method,
    Needs,
    Prediction,
    Preset,
    Protocol,
    Sample,
    Scores,
    Segmenter,
    Task,
    View,
)
from ..interfaces.errors import BenchError
from ..plugins.registry import Entry, load_registry
from ..run.folds import LabelPairs, LivePairs
from ..run.request import configure
from ..segmenters.stochastic_passes import stable_seed, statistics
from ..storage.store import Store

PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
TOYS = {
    2: {Task.ANOMALY: "streethazards", Task.PIXEL_FAILURE: "cityscapes", Task.IMAGE_FAILURE: "cityscapes"},
    3: {Task.PIXEL_FAILURE: "msd-pancreas", Task.IMAGE_FAILURE: "msd-pancreas"},
}
"""Number of dimensions -> task -> the data set in miniature that methods and segmenters are tried on."""


class NonconformingError(AssertionError):
    """A plugin does not do what its interface says."""


@dataclass(frozen=True)
class Check:
    """One requirement. Call it with an empty folder that it may write to.

    Raises (when called):
        NonconformingError: the plugin falls short; the message says in what.
    """

    name: str
    run: Callable[[Path], None]

    def __call__(self, folder: Path) -> None:
        """Check."""
        try:
            self.run(folder)
        except NonconformingError:
            raise
        except Exception as error:
            raise NonconformingError(f"it raises {type(error).__name__}: {error}") from error

    def __str__(self) -> str:
        return self.name


def checks(kind: str, name: str) -> list[Check]:
    """The checks of a registered plugin.

    Args:
        kind: "methods", "datasets" or "segmenters".
        name: as registered.

    Raises:
        BenchError: the name is unknown, taken twice, or its target cannot be imported.
    """
    entry = load_registry().get(kind, name)
    make = {"methods": _method_checks, "datasets": _dataset_checks, "segmenters": _segmenter_checks}[kind]
    return list(make(entry))


def _require(condition: Any, message: str) -> None:
    if not condition:
        raise NonconformingError(message)


# Methods ---------------------------------------------------------------------------------------------


class _Case(NamedTuple):
    """What a method is tried on."""

    entry: Entry
    task: Task
    ndim: int


class _Stage(NamedTuple):
    """A method in place: made for a task, with a segmenter and data to work on."""

    method: Method
    test: list[Item]
    context: Context

    def scores(self, method: Method | None = None) -> list[Scores]:
        """All images scored, with nothing remembered of an earlier time."""
        items = [Item(item.view, item.prediction) for item in self.test]
        return (method or self.method).score(items, self.context)


def _method_checks(entry: Entry) -> Iterator[Check]:
    yield Check("declares what it registers", partial(_check_method_declares, entry))
    for ndim in entry.ndims:
        for task in (task for task in entry.tasks if task in TOYS[ndim]):
            case, where = _Case(entry, task, ndim), f"{task}, volumes" if ndim == 3 else f"{task}"
            for protocol in Protocol:
                yield Check(f"scores ({where}, {protocol})", partial(_check_scores, case, protocol))
            yield Check(f"scores alone as in a batch ({where})", partial(_check_batches, case))
            yield Check(f"scores twice alike ({where})", partial(_check_repeats, case))
            yield Check(f"leaves predictions as they are ({where})", partial(_check_leaves, case))
            if entry.trains:
                yield Check(f"saves and loads ({where})", partial(_check_method_saves, case))


def _check_method_declares(entry: Entry, folder: Path) -> None:
    kind = entry.load()
    _require(isinstance(kind, type) and issubclass(kind, Method), f"{entry.target} is no Method")
    _require(entry.tasks, f"{entry.name} is registered without tasks")
    _require(entry.summary, f"{entry.name} is registered without a summary")
    fits = False
    for ndim, task, preset, protocol in product(entry.ndims, entry.tasks, Preset, Protocol):
        if task in TOYS[ndim]:
            config = configure(kind, entry.name, {}, preset, protocol, _toy(task, ndim).info)
            method = kind(config, task)
            fits = fits or method.fit_on() is not FitOn.NOTHING
            _require(isinstance(method.needs(), Needs), f"{entry.name}.needs() gives no Needs")
    _require(
        entry.trains == fits,
        f"{entry.name} is registered with trains={entry.trains}, but its fit_on() says otherwise",
    )
    _refuses_unknown_option(kind, entry)


def _check_scores(case: _Case, protocol: Protocol, folder: Path) -> None:
    stage = _fitted(case, folder, protocol)
    found = stage.scores()
    _require(len(found) == len(stage.test), f"{len(stage.test)} images got {len(found)} scores")
    for item, scores in zip(stage.test, found, strict=True):
        if case.task is Task.IMAGE_FAILURE:
            quality, classes = scores.quality, len(stage.context.info.classes)
            _require(quality is not None, "Scores.quality is missing")
            assert quality is not None
            _require(np.shape(quality) == (classes,), f"quality is {np.shape(quality)}, not ({classes},)")
            _require(np.isfinite(quality).all(), "quality is not finite for every class")
            continue
        pixel, shape = scores.pixel, item.view.image.shape[1:]
        _require(isinstance(pixel, np.ndarray), f"Scores.pixel is {type(pixel).__name__}, no numpy array")
        assert pixel is not None
        _require(pixel.dtype == np.float32, f"Scores.pixel is {pixel.dtype}, not float32")
        _require(pixel.shape == shape, f"Scores.pixel is {pixel.shape}, the image {shape}")
        _require(not np.isnan(pixel).any(), "Scores.pixel holds NaN")
        _require(pixel.min() < pixel.max(), "Scores.pixel is the same everywhere")
        confidence = scores.confidence
        if confidence is not None:
            _require(confidence.shape == shape, f"Scores.confidence is {confidence.shape}, the image {shape}")
            inside = (confidence >= 0) & (confidence <= 1)
            _require(inside.all(), "Scores.confidence leaves [0, 1], so it is no probability")


def _check_batches(case: _Case, folder: Path) -> None:
    stage = _fitted(case, folder)
    together = stage.scores()
    alone = [stage.method.score([Item(item.view, item.prediction)], stage.context)[0] for item in stage.test]
    _require_equal(together, alone, 1e-4, "scores depend on how images are batched")


def _check_repeats(case: _Case, folder: Path) -> None:
    stage = _fitted(case, folder)
    first = stage.scores()
    torch.manual_seed(1)
    second = stage.scores()
    _require_equal(first, second, 0.0, "the same images get other scores the second time")


def _check_leaves(case: _Case, folder: Path) -> None:
    stage = _fitted(case, folder)
    before = pickle.dumps([(item.view.image, item.prediction) for item in stage.test])
    stage.scores()
    after = pickle.dumps([(item.view.image, item.prediction) for item in stage.test])
    _require(before == after, "score() changes predictions or images, which other methods read too")


def _check_method_saves(case: _Case, folder: Path) -> None:
    stage = _fitted(case, folder)
    if stage.method.fit_on() is FitOn.NOTHING:  # a method may train for one task and not for another
        return
    first = stage.scores()
    _no_pickles(folder / "fitted")
    other = type(stage.method)(stage.method.config, case.task)
    other.load(folder / "fitted", stage.context)
    _require_equal(first, stage.scores(other), 1e-5, "after save and load scores differ")


def _fitted(case: _Case, folder: Path, protocol: Protocol = Protocol.OFFICIAL) -> _Stage:
    entry, task, ndim = case
    dataset = _toy(task, ndim).toy(folder / "toy")
    dataset.prepare()
    info = dataset.info
    kind: type[Method] = entry.load()
    method = kind(configure(kind, entry.name, {}, Preset.SMOKE, protocol, info), task)
    segmenter = ColourSegmenter(Config(), info)
    reason = method.skip(info)
    _require(reason is None, f"it skips {info.name}: {reason}")
    context = _context(dataset, folder, segmenter)
    kind_of_fit = method.fit_on()
    if kind_of_fit is not FitOn.NOTHING:
        samples = dataset.samples("train")
        pairs = (
            LabelPairs(samples, "toy")
            if kind_of_fit is FitOn.LABELS
            else LivePairs(samples, "toy", lambda number: segmenter, method.fit_needs(), "cpu", 0)
        )
        method.fit(pairs, context if kind_of_fit is FitOn.IN_FOLD else replace(context, segmenter=None))
        saved = folder / "fitted"
        saved.mkdir()
        method.save(saved)
        method.load(saved, context)
    test = list(dataset.samples("test"))
    # One image of another size, odd in both directions: batches need not be of one size for a method.
    views = [sample.view for sample in test]
    cut = np.ascontiguousarray(views[-1].image[..., :-3, :-5])
    views[-1] = View(views[-1].key, cut)
    items = [
        Item(view, segmenter.predict(torch.from_numpy(view.image)[None], [view.key], method.needs(), 0)[0])
        for view in views
    ]
    return _Stage(method, items, context)


def _require_equal(first: Sequence[Any], second: Sequence[Any], tolerance: float, message: str) -> None:
    for one, two in zip(first, second, strict=True):
        for name in ("pixel", "quality"):
            a, b = getattr(one, name), getattr(two, name)
            _require((a is None) == (b is None), message)
            if a is not None:
                close = np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
                _require(close, f"{message} (by up to {np.abs(a - b).max():.3g})")


class ColourSegmenter(Segmenter):
    """A segmenter that needs no training: a fixed linear map from colour to logits.

    It gives everything in `Needs`, with noise in place of dropout.
    """

    def __init__(self, config: Config, dataset: DatasetInfo) -> None:
        super().__init__(config, dataset)
        drawn = np.random.default_rng(0).normal(0, 4, (len(dataset.classes), dataset.channels))
        self._weights = torch.from_numpy(drawn.astype(np.float32))

    def fit(self, samples: Sequence[Sample], context: Context) -> None:
        """Nothing to learn."""

    def save(self, folder: Path) -> None:
        """Nothing to write."""

    def load(self, folder: Path, device: str) -> None:
        """Nothing to read."""

    def load_checkpoint(self, file: Path, device: str) -> None:
        """It has none."""
        raise BenchError(f"the segmenter 'colour' takes no checkpoint ({file})")

    def predict(self, images: Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment images by colour alone."""
        return [self._one(image, key, needs, seed) for image, key in zip(images, keys, strict=True)]

    def _one(self, image: Tensor, key: str, needs: Needs, seed: int) -> Prediction:
        generator = torch.Generator().manual_seed(stable_seed(seed, key))
        logits = torch.tensordot(self._weights, image - 0.5, dims=1)

        def draw() -> tuple[Tensor, Tensor]:
            noisy = logits + torch.randn(logits.shape, generator=generator)
            return torch.softmax(noisy, dim=0), noisy

        probabilities = torch.softmax(logits, dim=0)
        confidence, labels = probabilities.max(dim=0)
        return Prediction(
            labels,
            confidence,
            logits.clone() if needs.logits else None,
            probabilities if needs.probabilities else None,
            {wanted: self._features(logits, wanted) for wanted in needs.features},
            (self._features(logits, Features()),) if needs.branch else (),
            statistics(draw, needs.monte_carlo) if needs.monte_carlo else {},
            torch.stack([draw()[0] for _ in range(needs.ensemble)]) if needs.ensemble else None,
        )

    def _features(self, logits: Tensor, wanted: Features) -> Tensor:
        size = [-(-length // 4) for length in logits.shape[1:]]
        pooled = F.interpolate(logits[None], size, mode="area")[0]
        # Not the negative: features of a grey volume would all be multiples of two vectors.
        return torch.relu(torch.cat([pooled, 1 - pooled]))


# Data sets -------------------------------------------------------------------------------------------


def _dataset_checks(entry: Entry) -> Iterator[Check]:
    yield Check("declares what it registers", partial(_check_dataset_declares, entry))
    yield Check("gives samples of the right kind", partial(_check_samples, entry))
    yield Check("gives the same samples each time", partial(_check_order, entry))
    yield Check("reads in worker processes", partial(_check_pickles, entry))
    yield Check("names a missing tree", partial(_check_missing, entry))
    yield Check("names a truncated file", partial(_check_truncated, entry))


def _check_dataset_declares(entry: Entry, folder: Path) -> None:
    kind = entry.load()
    _require(isinstance(kind, type) and issubclass(kind, Dataset), f"{entry.target} is no Dataset")
    info = kind.info
    _require(info.name == entry.name, f"registered as {entry.name}, but its info says {info.name}")
    _require(set(info.tasks) == set(entry.tasks), f"registered tasks differ from info.tasks {info.tasks}")
    _require(set(info.default_tasks) <= set(info.tasks), "default_tasks holds a task that tasks lacks")
    _require(len(set(info.classes)) == len(info.classes), "a class name stands twice")
    _require(len(info.palette) == len(info.classes), "palette and classes differ in number")
    for name in ("summary", "revision", "licence", "citation", "source", "layout"):
        _require(getattr(info, name), f"info.{name} is empty")


def _check_samples(entry: Entry, folder: Path) -> None:
    dataset = _made(entry, folder)
    info = dataset.info
    test = dataset.samples("test")
    _require(len(test), "the toy has no test samples")
    for sample in [*dataset.samples("train"), *dataset.samples("validation"), *test]:
        image, truth = sample.image, sample.truth
        shape = image.shape[1:]
        where = f"sample {sample.key}"
        _require(image.dtype == np.float32, f"{where}: image is {image.dtype}, not float32")
        _require(image.ndim == info.ndim + 1, f"{where}: image has {image.ndim} axes")
        _require(image.shape[0] == info.channels, f"{where}: image has {image.shape[0]} channels")
        _require(np.isfinite(image).all(), f"{where}: image is not finite")
        if info.channels == 3:
            _require(image.min() >= 0 and image.max() <= 1, f"{where}: image leaves [0, 1]")
        _require(truth.label.dtype == np.int64, f"{where}: label is {truth.label.dtype}, not int64")
        _require(truth.valid.dtype == np.bool_, f"{where}: valid is {truth.valid.dtype}, not bool")
        _require(truth.label.shape == truth.valid.shape == shape, f"{where}: image, label and valid differ")
        known = (truth.label == VOID) | ((truth.label >= 0) & (truth.label < len(info.classes)))
        _require(known.all(), f"{where}: a label is neither a class nor void")
    if Task.ANOMALY in info.tasks:
        found = False
        for sample in test:
            mask, valid = sample.truth.anomaly, sample.truth.valid
            where = f"sample {sample.key}"
            _require(mask is not None, f"{where}: the anomaly mask is missing")
            assert mask is not None
            _require(mask.dtype == np.bool_, f"{where}: the anomaly mask is {mask.dtype}, not bool")
            found = found or bool((mask & valid).any())
        _require(found, "no test sample of the toy holds an anomalous pixel")


def _check_order(entry: Entry, folder: Path) -> None:
    dataset = _made(entry, folder)
    first = [sample.key for sample in dataset.samples("test")]
    again = [sample.key for sample in type(dataset)(dataset.root).samples("test")]
    _require(first == again, "two readings give samples in another order")
    _require(len(set(first)) == len(first), "two samples have one key")
    samples = dataset.samples("test")
    _require(samples[0] is not samples[0], "indexing gives one object, which keeps its arrays for ever")


def _check_pickles(entry: Entry, folder: Path) -> None:
    sample = _made(entry, folder).samples("test")[0]
    other = pickle.loads(pickle.dumps(sample))
    _require(np.array_equal(other.image, sample.image), "a pickled sample reads another image")


def _check_missing(entry: Entry, folder: Path) -> None:
    kind = entry.load()
    if kind.generated:
        return
    empty = folder / "empty"
    empty.mkdir()
    try:
        kind(empty).prepare()
    except BenchError as error:
        _require(str(empty) in str(error), f"the error does not name the folder: {error}")
    else:
        raise NonconformingError("prepare() is content with an empty folder")


def _check_truncated(entry: Entry, folder: Path) -> None:
    dataset = _made(entry, folder)
    for file in sorted(dataset.root.rglob("*")):
        if not file.is_file() or file.suffix in (".json", ".txt", ".csv", ".md"):
            continue
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        try:
            for split in ("train", "validation", "test"):
                for sample in dataset.samples(split):
                    _ = sample.image, sample.truth
        except BenchError as error:
            _require(file.name in str(error), f"the error does not name {file.name}: {error}")
        except Exception as error:
            raise NonconformingError(
                f"a truncated {file.name} raises {type(error).__name__}: {error}"
            ) from error
        else:
            raise NonconformingError(f"a truncated {file.name} is read without an error")
        file.write_bytes(whole)
        return


def _made(entry: Entry, folder: Path) -> Dataset:
    dataset: Dataset = entry.load().toy(folder / "toy")
    dataset.prepare()
    return dataset


# Segmenters ------------------------------------------------------------------------------------------


def _segmenter_checks(entry: Entry) -> Iterator[Check]:
    yield Check("trains, predicts, saves and loads", partial(_check_segmenter, entry))
    yield Check("refuses a foreign checkpoint", partial(_check_checkpoint, entry))


def _check_segmenter(entry: Entry, folder: Path) -> None:
    kind = entry.load()
    _require(isinstance(kind, type) and issubclass(kind, Segmenter), f"{entry.target} is no Segmenter")
    _refuses_unknown_option(kind, entry)
    dataset = _segmenter_toy(entry).toy(folder / "toy")
    dataset.prepare()
    model = _segmenter(entry, dataset.info)
    model.fit(dataset.samples("train"), _context(dataset, folder, None))
    samples = list(dataset.samples("test"))
    classes, shape = len(dataset.info.classes), samples[0].image.shape[1:]
    passes, wanted = frozenset({3}), frozenset({Features()})
    needs = Needs(probabilities=True)
    for more in (Needs(logits=True), Needs(features=wanted), Needs(monte_carlo=passes)):
        reason = model.lacks(more)
        _require(reason is None or reason.strip(), "lacks() gives an empty reason")
        needs = needs if reason else needs | more
    found = _predict(model, samples, needs)
    for prediction in found:
        probabilities = prediction.probabilities
        assert probabilities is not None
        _require(probabilities.shape == (classes, *shape), f"probabilities are {tuple(probabilities.shape)}")
        _require(prediction.labels.dtype == torch.int64, f"labels are {prediction.labels.dtype}")
        confidence, labels = probabilities.max(dim=0)
        _require(torch.equal(labels, prediction.labels), "labels are not the likeliest classes")
        _require(torch.equal(confidence, prediction.confidence), "confidence is not the largest probability")
        _require((probabilities.sum(0) - 1).abs().max() < 1e-4, "probabilities do not sum to 1")
        if needs.logits:
            assert prediction.logits is not None
            error = (torch.softmax(prediction.logits, 0) - probabilities).abs().max()
            _require(error < 1e-4, "probabilities are not the softmax of the logits")
        if needs.features:
            _require(
                prediction.features[Features()].ndim == dataset.info.ndim + 1, "features have other axes"
            )
        if needs.monte_carlo:
            drawn = prediction.monte_carlo[3]
            _require((drawn.square - drawn.mean**2).max() > 0, "stochastic passes are all alike")
    alone = [_predict(model, [sample], needs)[0] for sample in samples]
    for one, two in zip(found, alone, strict=True):
        assert one.probabilities is not None
        assert two.probabilities is not None
        error = (one.probabilities - two.probabilities).abs().max()
        _require(error < 1e-3, f"predictions depend on how images are batched (by {error:.3g})")
    saved = folder / "saved"
    saved.mkdir()
    model.save(saved)
    _no_pickles(saved)
    other = _segmenter(entry, dataset.info)
    other.load(saved, "cpu")
    for one, two in zip(found, _predict(other, samples, needs), strict=True):
        for field in fields(Prediction):
            if field.name in ("labels", "confidence", "logits", "probabilities"):
                a, b = getattr(one, field.name), getattr(two, field.name)
                _require(
                    a is None or torch.allclose(a, b, atol=1e-5), f"after save and load {field.name} differ"
                )


def _check_checkpoint(entry: Entry, folder: Path) -> None:
    info = _segmenter_toy(entry).info
    hostile, other = folder / "hostile.pth", folder / "other.pth"
    hostile.write_bytes(pickle.dumps(_Trap(str(folder / "sprung")), protocol=2))
    torch.save({"state_dict": {"layer.weight": torch.zeros(3)}}, other)
    for file in (hostile, other):
        try:
            _segmenter(entry, info).load_checkpoint(file, "cpu")
        except BenchError as error:
            _require(file.name in str(error), f"the error does not name {file.name}: {error}")
        except Exception as error:
            raise NonconformingError(f"{file.name} raises {type(error).__name__}: {error}") from error
        else:
            raise NonconformingError(f"{file.name} is taken for a checkpoint")
    _require(not (folder / "sprung").exists(), "a pickle in a checkpoint ran its code")


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (Path(self.folder),)


def _segmenter(entry: Entry, info: DatasetInfo) -> Segmenter:
    kind: type[Segmenter] = entry.load()
    return kind(configure(kind, entry.name, {}, Preset.SMOKE, Protocol.OFFICIAL, info), info)


# Shared ----------------------------------------------------------------------------------------------


def _toy(task: Task, ndim: int) -> type[Dataset]:
    kind: type[Dataset] = load_registry().get("datasets", TOYS[ndim][task]).load()
    return kind


def _segmenter_toy(entry: Entry) -> type[Dataset]:
    return _toy(next(iter(TOYS[entry.ndims[0]])), entry.ndims[0])


def _predict(model: Segmenter, samples: Sequence[Sample], needs: Needs) -> list[Prediction]:
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    return model.predict(images, [sample.key for sample in samples], needs, 0)


def _context(dataset: Dataset, folder: Path, segmenter: Segmenter | None) -> Context:
    store = Store(folder / "store")

    def artifact(
        name: str,
        config: Config,
        build: Callable[[Path, Context], None],
        *,
        seed: int = 0,
        inputs: Sequence[str] = (),
    ) -> Path:
        facts = {"config": config.model_dump(mode="json"), "seed": seed, "inputs": list(inputs)}
        return store.get(
            name,
            facts,
            lambda made, scratch: build(made, replace(context, workspace=scratch, segmenter=None, seed=seed)),
        )

    def track(items: Iterable[Any], description: str, total: int | None) -> Iterable[Any]:
        return items

    scratch = Path(tempfile.mkdtemp(dir=folder))
    context = Context(
        dataset.info, dataset.samples("train"), "cpu", "32", 0, scratch, segmenter, track, artifact
    )
    return context


def _refuses_unknown_option(kind: type[Any], entry: Entry) -> None:
    _require(issubclass(kind.Config, Config), f"{entry.name}: Config is no segalarm.Config")
    _require(kind.Config.model_config.get("extra") == "forbid", f"{entry.name}: Config takes unknown keys")


def _no_pickles(folder: Path) -> None:
    files = [file for file in folder.rglob("*") if file.suffix in PICKLES]
    _require(not files, f"save() writes {[file.name for file in files]}: use safetensors")
