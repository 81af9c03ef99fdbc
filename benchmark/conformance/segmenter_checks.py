"""The checks of a segmenter."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..interfaces import (
    Dataset,
    DatasetInfo,
    Features,
    Needs,
    Prediction,
    Preset,
    Protocol,
    Sample,
    Segmenter,
)
from ..interfaces.errors import BenchError
from ..plugins.configure import configure
from ..plugins.registry import Entry
from .requirement import (
    Check,
    NonconformingError,
    require,
    require_no_pickles,
    require_strict_config,
    require_subclass,
)
from .toys import TOYS, made_toy, toy_class, toy_context

PASSES = 3


def segmenter_checks(entry: Entry) -> Iterator[Check]:
    """The checks of a registered segmenter."""
    yield Check("trains, predicts, saves and loads", partial(_check_segmenter, entry))
    yield Check("refuses a foreign checkpoint", partial(_check_checkpoint, entry))


def _check_segmenter(entry: Entry, folder: Path) -> None:
    segmenter_class = entry.load()
    require_subclass(segmenter_class, Segmenter, entry.target)
    require_strict_config(segmenter_class, entry.name)
    dataset = made_toy(_toy_of(entry), folder)
    segmenter = _segmenter(entry, dataset.info)
    segmenter.fit(dataset.samples("train"), toy_context(dataset, folder, None))
    samples = list(dataset.samples("test"))
    needs = _all_needs(segmenter)
    predictions = _predict(segmenter, samples, needs)
    for sample, prediction in zip(samples, predictions, strict=True):
        _require_prediction(prediction, sample, needs, dataset.info)
    _require_alike_alone(segmenter, samples, needs, predictions)
    saved = folder / "saved"
    saved.mkdir()
    segmenter.save(saved)
    require_no_pickles(saved)
    loaded = _segmenter(entry, dataset.info)
    loaded.load(saved, "cpu")
    for one, two in zip(predictions, _predict(loaded, samples, needs), strict=True):
        for name in ("labels", "confidence", "logits", "probabilities"):
            a, b = getattr(one, name), getattr(two, name)
            require(a is None or torch.allclose(a, b, atol=1e-5), f"{name} differ after save and load")


def _all_needs(segmenter: Segmenter) -> Needs:
    """Everything that the segmenter says it can give."""
    needs = Needs(probabilities=True)
    features, passes = frozenset({Features()}), frozenset({PASSES})
    for more in (Needs(logits=True), Needs(features=features), Needs(monte_carlo=passes)):
        reason = segmenter.lacks(more)
        require(reason is None or reason.strip(), "lacks() gives an empty reason")
        needs = needs if reason else needs | more
    return needs


def _require_prediction(prediction: Prediction, sample: Sample, needs: Needs, info: DatasetInfo) -> None:
    probabilities = prediction.probabilities
    assert probabilities is not None
    expected = (len(info.classes), *sample.image.shape[1:])
    require(
        probabilities.shape == expected, f"probabilities are {tuple(probabilities.shape)}, not {expected}"
    )
    require(prediction.labels.dtype == torch.int64, f"labels are {prediction.labels.dtype}, not int64")
    confidence, labels = probabilities.max(dim=0)
    require(torch.equal(labels, prediction.labels), "labels are not the likeliest classes")
    require(torch.equal(confidence, prediction.confidence), "confidence is not the largest probability")
    require((probabilities.sum(0) - 1).abs().max() < 1e-4, "probabilities do not sum to 1")
    if needs.logits:
        assert prediction.logits is not None
        error = (torch.softmax(prediction.logits, 0) - probabilities).abs().max()
        require(error < 1e-4, "probabilities are not the softmax of the logits")
    if needs.features:
        axes = prediction.features[Features()].ndim
        require(axes == info.ndim + 1, f"features have {axes} axes, not {info.ndim + 1}")
    if needs.monte_carlo:
        drawn = prediction.monte_carlo[PASSES]
        require((drawn.square - drawn.mean**2).max() > 0, "stochastic passes are all alike")


def _require_alike_alone(
    segmenter: Segmenter, samples: Sequence[Sample], needs: Needs, together: Sequence[Prediction]
) -> None:
    alone = [_predict(segmenter, [sample], needs)[0] for sample in samples]
    for one, two in zip(together, alone, strict=True):
        assert one.probabilities is not None
        assert two.probabilities is not None
        error = (one.probabilities - two.probabilities).abs().max()
        require(error < 1e-3, f"predictions depend on how images are batched (by {error:.3g})")


def _check_checkpoint(entry: Entry, folder: Path) -> None:
    info = _toy_of(entry).info
    hostile, other = folder / "hostile.pth", folder / "other.pth"
    hostile.write_bytes(pickle.dumps(_Trap(str(folder / "sprung")), protocol=2))
    torch.save({"state_dict": {"layer.weight": torch.zeros(3)}}, other)
    for file in (hostile, other):
        try:
            _segmenter(entry, info).load_checkpoint(file, "cpu")
        except BenchError as error:
            require(file.name in str(error), f"the error does not name {file.name}: {error}")
        except Exception as error:
            raise NonconformingError(
                f"{file.name} raises {type(error).__name__}, not a BenchError: {error}"
            ) from error
        else:
            raise NonconformingError(f"load_checkpoint() takes {file.name}, which is not its checkpoint")
    require(not (folder / "sprung").exists(), "load_checkpoint() ran the code of a pickle")


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (Path(self.folder),)


def _toy_of(entry: Entry) -> type[Dataset]:
    """The data set that the segmenter is tried on: of the first number of dimensions that it works in."""
    ndim = entry.ndims[0]
    return toy_class(next(iter(TOYS[ndim])), ndim)


def _segmenter(entry: Entry, info: DatasetInfo) -> Segmenter:
    segmenter_class: type[Segmenter] = entry.load()
    config = configure(segmenter_class, entry.name, {}, Preset.SMOKE, Protocol.OFFICIAL, info)
    return segmenter_class(config, info)


def _predict(segmenter: Segmenter, samples: Sequence[Sample], needs: Needs) -> list[Prediction]:
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    return segmenter.predict(images, [sample.key for sample in samples], needs, 0)
