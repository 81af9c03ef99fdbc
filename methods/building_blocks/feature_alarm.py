"""Alarms that know how a segmenter's features look on training pixels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...benchmark.interfaces import (
    VOID,
    Config,
    Context,
    DatasetInfo,
    Features,
    FitOn,
    Float32,
    Item,
    Labels,
    Method,
    Needs,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from ...benchmark.interfaces.errors import BenchError
from .dimensions import enlarged
from .label_maps import resized

FILE = "features.safetensors"
CHUNK = 1024
"""Pixels that are scored at a time: features of a large image would not fit twice."""


class FeatureConfig(Config):
    """Hyper-parameters.

    Attributes:
        layer, scales: the features, see `Features`.
    """

    layer: str = "decoder"
    scales: tuple[int, ...] = ()


class FeatureAlarm(Method):
    """An alarm that scores each vector of a feature map; a subclass says what it learns, and the score."""

    Config = FeatureConfig
    config: FeatureConfig

    def __init__(self, config: FeatureConfig, task: Task) -> None:
        super().__init__(config, task)
        self.learned: dict[str, Tensor] = {}

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The features that Eq. 9 compares, so that one run computes them once."""
        return {"scales": published_scales(preset, dataset)}

    @property
    def features(self) -> Features:
        """Which features."""
        return Features(self.config.layer, self.config.scales)

    def needs(self) -> Needs:
        """The features."""
        return Needs(features=frozenset({self.features}))

    def fit_on(self) -> FitOn:
        """The final segmenter's: two folds' feature spaces do not compare."""
        return FitOn.in_fold(self.needs())

    def fit_key(self) -> dict[str, Any]:
        """Every task learns the same."""
        return self.config.model_dump(mode="json")

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Learn from the features of training pixels, an image at a time.

        Raises:
            BenchError: no training pixel has a label.
        """
        self.learned = self.learn(pairs, context)

    @abstractmethod
    def learn(self, pairs: Pairs, context: Context) -> dict[str, Tensor]:
        """What `distances` reads."""

    @abstractmethod
    def distances(self, features: Tensor) -> Tensor:
        """The score of some vectors, float32 (n, C) to (n,), higher = further from training."""

    def save(self, folder: Path) -> None:
        """What was learned."""
        save_file({key: value.cpu().contiguous() for key, value in self.learned.items()}, folder / FILE)

    def load(self, folder: Path, context: Context) -> None:
        """Read what was learned."""
        self.learned = load_file(folder / FILE, context.device)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Score the features, and bring the map to the image's size."""
        return [self._one(item) for item in batch]

    def _one(self, item: Item) -> Scores:
        """Both tasks of pixels, and a gate, read one map."""
        key = (type(self), str(self.config))
        return Scores(pixel=item.memo.get(key, lambda: self._score_map(item)))

    @torch.no_grad()
    def _score_map(self, item: Item) -> Float32:
        features = item.prediction.features[self.features]
        vectors = features.flatten(1)
        starts = range(0, vectors.shape[1], CHUNK)
        found = torch.cat([self.distances(vectors[:, start : start + CHUNK].T) for start in starts])
        found = found.view(1, 1, *features.shape[1:])
        scores: Float32 = enlarged(found, item.view.image.shape[1:])[0, 0].cpu().numpy()
        return scores


def published_scales(preset: Preset, dataset: DatasetInfo) -> tuple[int, ...]:
    """The scales that published features are averaged over; below `full`, the image as it is."""
    return dataset.test_scales if preset is Preset.FULL else ()


def training_features(
    pairs: Pairs, wanted: Features, count: int, balanced: bool, title: str, context: Context
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and labels of some labelled pixels of every image, one image at a time.

    Args:
        count: the most pixels an image.
        balanced: see `drawn`.
        title: of the progress bar.

    Yields:
        float32 (n, C) and int64 (n,), on the run's device.

    Raises:
        BenchError: no pixel of any image has a label.
    """
    empty = True
    for index in context.track(range(len(pairs)), title, len(pairs)):
        pair = pairs[index]
        assert pair.prediction is not None
        features = pair.prediction.features[wanted]
        truth = torch.from_numpy(pair.sample.truth.scored)[None]
        labels = resized(truth, tuple(features.shape[1:]))[0].flatten()
        generator = np.random.default_rng((context.seed, 9, index))
        rows = torch.from_numpy(drawn(labels.numpy(), count, balanced, generator))
        if len(rows):
            empty = False
            yield features.flatten(1)[:, rows.to(features.device)].T, labels[rows].to(features.device)
    if empty:
        raise BenchError(f"{title}: no training pixel has a label")


def drawn(
    labels: Labels, count: int, balanced: bool, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Numbers of some labelled pixels, ascending, drawn without replacement.

    Args:
        labels: int64 (N,).
        count: how many, where there are so many.
        balanced: every class of the image has the same chance at each draw; otherwise every pixel.
    """
    known = np.flatnonzero(labels != VOID)
    # Clocks that ring at exponential times: the first to ring are a weighted draw without replacement.
    clocks = generator.exponential(size=len(known))
    if balanced:
        clocks *= np.bincount(labels[known], minlength=1)[labels[known]]
    first = np.argsort(clocks, kind="stable")[:count]
    return np.sort(known[first])
