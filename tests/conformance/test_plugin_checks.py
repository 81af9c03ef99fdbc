"""Every built-in plugin conforms; plugins that do not are caught."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from segalarm import Config, FitOn, Method, Needs, Option, Scores, Task, Truth
from segalarm.benchmark.conformance.dataset_checks import dataset_checks
from segalarm.benchmark.interfaces import Sample
from segalarm.benchmark.interfaces.errors import UnknownNameError
from segalarm.benchmark.plugins.registry import Entry, load_registry
from segalarm.datasets.formats.decathlon import TASKS
from segalarm.datasets.streethazards import StreetHazards
from segalarm.testing import NonconformingError, checks

# ah-net has 38 million parameters. The Decathlon's tasks differ in facts alone: three of them are enough.
LONG = {
    "ah-net",
    *(f"msd-{task.name}" for task in TASKS if task.name not in ("pancreas", "hippocampus", "braintumour")),
}


def every_check():
    for kind in ("methods", "datasets", "segmenters"):
        for name in load_registry().names(kind):
            if name == "mmseg":  # has no config of its own
                continue
            absent = name == "msp-crf" and importlib.util.find_spec("pydensecrf") is None
            marks = [pytest.mark.skip("the extra crf is not installed")] if absent else []
            if name in LONG:
                marks.append(pytest.mark.slow)
            for check in checks(kind, name):
                yield pytest.param(check, id=f"{name}: {check}", marks=marks)


@pytest.mark.parametrize("check", list(every_check()))
def test_a_built_in_conforms(check, tmp_path):
    check(tmp_path)


class Good(Method):
    def score(self, batch, context):
        return [Scores(pixel=-item.prediction.confidence.numpy()) for item in batch]


class TooFew(Good):
    def score(self, batch, context):
        return super().score(batch, context)[1:]


class Double(Good):
    def score(self, batch, context):
        return [Scores(pixel=scores.pixel.astype(float)) for scores in super().score(batch, context)]


class OtherSize(Good):
    def score(self, batch, context):
        return [Scores(pixel=scores.pixel[::2]) for scores in super().score(batch, context)]


class Constant(Good):
    def score(self, batch, context):
        return [Scores(pixel=np.zeros_like(scores.pixel)) for scores in super().score(batch, context)]


class OfTheBatch(Good):
    def score(self, batch, context):
        found = super().score(batch, context)
        least = min(scores.pixel.min() for scores in found)
        return [Scores(pixel=scores.pixel / least) for scores in found]


class Random(Good):
    def score(self, batch, context):
        return [Scores(pixel=torch.rand(item.view.image.shape[1:]).numpy()) for item in batch]


class Overwrites(Good):
    def score(self, batch, context):
        for item in batch:
            item.prediction.confidence.neg_()
        return super().score(batch, context)


class FitsInSecret(Good):
    def fit_on(self):
        return FitOn.labels()

    def fit(self, pairs, context):
        pass


class WrongInVolumes(Good):
    @classmethod
    def defaults(cls, preset, protocol, dataset):
        return {"unknown": 1} if dataset.ndim == 3 else {}


class OptionConfig(Config):
    cells: int = 4


class OptionOfNothing(Good):
    Config = OptionConfig

    def options(self):
        return [Option("cell", candidates=(1, 2))]


class OptionOfAnotherType(Good):
    Config = OptionConfig

    def options(self):
        return [Option("cells", candidates=(1, "many"))]


class Forgets(Good):
    """Learns a factor, and saves nothing."""

    def needs(self):
        return Needs()

    def fit_on(self):
        return FitOn.out_of_fold(self.needs())

    def fit(self, pairs, context):
        self.factor = 1 + len(pairs)

    def save(self, folder):
        pass

    def load(self, folder, context):
        self.factor = getattr(self, "factor", 1)

    def score(self, batch, context):
        return [Scores(pixel=scores.pixel * self.factor) for scores in super().score(batch, context)]


@pytest.fixture
def register(monkeypatch):
    """Registers a class as the one method that the kit sees."""

    def as_method(kind, trains=False, tasks=(Task.ANOMALY,), ndims=(2,)):
        entry = Entry("methods", "mine", "here:It", "here", "0", "a test", tasks, trains, ndims)
        monkeypatch.setattr(
            Entry, "load", lambda self, load=Entry.load: kind if self is entry else load(self)
        )
        registry = SimpleNamespace(
            get=lambda group, name: entry if name == "mine" else load_registry().get(group, name)
        )
        monkeypatch.setattr("segalarm.benchmark.conformance.plugin_checks.load_registry", lambda: registry)
        return checks("methods", "mine")

    return as_method


def failures(found, folder):
    """The names of the checks that fail, in order."""
    names = []
    for number, check in enumerate(found):
        place = folder / str(number)
        place.mkdir()
        try:
            check(place)
        except NonconformingError:
            names.append(check.name.partition(" (")[0])
    return names


def test_a_good_method_passes_all(register, tmp_path):
    assert failures(register(Good), tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "trains", "caught"),
    [
        (TooFew, False, "scores"),
        (Double, False, "scores"),
        (OtherSize, False, "scores"),
        (Constant, False, "scores"),
        (OfTheBatch, False, "scores alone as in a batch"),
        (Random, False, "scores twice alike"),
        (Overwrites, False, "leaves predictions as they are"),
        (FitsInSecret, False, "declares what it registers"),
        (Good, True, "declares what it registers"),
        (OptionOfNothing, False, "declares options of its Config"),
        (OptionOfAnotherType, False, "declares options of its Config"),
        (Forgets, True, "saves and loads"),
    ],
)
def test_what_does_not_conform_is_caught(register, tmp_path, kind, trains, caught):
    assert caught in failures(register(kind, trains), tmp_path)


def test_defaults_are_tried_in_every_dimension(register, tmp_path):
    declares, *_ = register(WrongInVolumes, tasks=(Task.PIXEL_FAILURE,), ndims=(2,))
    declares(tmp_path)
    declares, *_ = register(WrongInVolumes, tasks=(Task.PIXEL_FAILURE,), ndims=(2, 3))
    with pytest.raises(NonconformingError, match="unknown"):
        declares(tmp_path)


class NoMarker(StreetHazards):
    marker = "nowhere/*.png"


class VoidAnomalies(StreetHazards):
    """Takes unknown objects for pixels that are not scored."""

    def samples(self, split):
        def without(sample):
            truth = sample.truth
            return Truth(truth.label, truth.anomaly, truth.valid & ~truth.anomaly)

        return [
            Sample(sample.key, lambda sample=sample: sample.image, lambda sample=sample: without(sample))
            for sample in super().samples(split)
        ]


@pytest.mark.parametrize(
    ("dataset", "check", "named"),
    [
        (NoMarker, "writes its marker into the toy", "does not hold the marker 'nowhere"),
        (
            VoidAnomalies,
            "gives samples of the right kind",
            "are not `valid`: unknown objects must stay valid",
        ),
    ],
)
def test_what_is_wrong_with_a_data_set_is_named(dataset, check, named, tmp_path, monkeypatch):
    entry = load_registry().get("datasets", "streethazards")
    (found,) = (made for made in dataset_checks(entry) if made.name == check)
    monkeypatch.setattr(Entry, "load", lambda self: dataset)
    with pytest.raises(NonconformingError, match=named):
        found(tmp_path)


def test_an_unknown_name_is_an_error():
    with pytest.raises(UnknownNameError, match="Did you mean msp"):
        checks("methods", "mspp")
