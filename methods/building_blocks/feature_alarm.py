"""The base class of methods that learn how a segmenter's features look on training pixels."""

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
from .label_maps import resized_by_centres
from .layers_and_resizing import enlarged

FILE = "features.safetensors"
CHUNK = 1024
"""Feature vectors that are scored at a time: the features of a large image would not fit in memory twice."""


class FeatureConfig(Config):
    """Hyper-parameters of a method that reads one feature map.

    Attributes:
        layer: the layer that gives the features, see `Features`.
        scales: the scales that the features are averaged over, see `Features`.
    """

    layer: str = "decoder"
    scales: tuple[int, ...] = ()


class FeatureAlarm(Method):
    """The score of a pixel is the distance of its feature vector from those of training pixels.

    A subclass says what is learned (`learn`) and how the distance is measured (`distances`).
    """

    Config = FeatureConfig
    config: FeatureConfig

    def __init__(self, config: FeatureConfig, task: Task) -> None:
        super().__init__(config, task)
        self.learned: dict[str, Tensor] = {}

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The scales of SynthCP's Eq. 9, so that a run of both methods computes the features once."""
        return {"scales": published_scales(preset, dataset)}

    @property
    def features(self) -> Features:
        """The feature map that the method reads."""
        return Features(self.config.layer, self.config.scales)

    def needs(self) -> Needs:
        """The feature map."""
        return Needs(features=frozenset({self.features}))

    def fit_on(self) -> FitOn:
        """Features of the final segmenter: the feature spaces of two fold segmenters cannot be compared."""
        return FitOn.in_fold(self.needs())

    def fit_key(self) -> dict[str, Any]:
        """The hyper-parameters without the task: every task learns the same."""
        return self.config.model_dump(mode="json")

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Learn from the features of training pixels, one image at a time.

        Raises:
            BenchError: no training pixel has a label.
        """
        self.learned = self.learn(pairs, context)

    @abstractmethod
    def learn(self, pairs: Pairs, context: Context) -> dict[str, Tensor]:
        """The tensors that `distances` reads, by name."""

    @abstractmethod
    def distances(self, features: Tensor) -> Tensor:
        """The scores of feature vectors, float32 (n, C) to (n,), higher = further from training."""

    def save(self, folder: Path) -> None:
        """Write the learned tensors."""
        save_file({key: value.cpu().contiguous() for key, value in self.learned.items()}, folder / FILE)

    def load(self, folder: Path, context: Context) -> None:
        """Read the learned tensors."""
        self.learned = load_file(folder / FILE, context.device)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Score the feature vectors, and enlarge the map of scores to the size of the image."""
        return [self._score_item(item) for item in batch]

    def _score_item(self, item: Item) -> Scores:
        # Both tasks of pixels, and SynthCP's gate, read the same map.
        key = (type(self), str(self.config))
        return Scores(pixel=item.memo.get(key, lambda: self._score_map(item)))

    @torch.no_grad()
    def _score_map(self, item: Item) -> Float32:
        features = item.prediction.features[self.features]
        vectors = features.flatten(1)
        starts = range(0, vectors.shape[1], CHUNK)
        distances = torch.cat([self.distances(vectors[:, start : start + CHUNK].T) for start in starts])
        small = distances.view(1, 1, *features.shape[1:])
        scores: Float32 = enlarged(small, item.view.image.shape[1:])[0, 0].cpu().numpy()
        return scores


def published_scales(preset: Preset, dataset: DatasetInfo) -> tuple[int, ...]:
    """The scales over which the published experiment averages features; below `full`, the image as it is."""
    return dataset.test_scales if preset is Preset.FULL else ()


def training_features(
    pairs: Pairs, name: Features, most: int, balanced: bool, title: str, context: Context
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw labelled pixels of every training image, one image at a time.

    Args:
        pairs: training samples, with predictions that hold the feature map.
        name: the feature map.
        most: the most pixels per image.
        balanced: see `drawn_pixels`.
        title: of the progress bar and of the error.
        context: the run.

    Yields:
        Features float32 (n, C) and labels int64 (n,) of one image, on the run's device.

    Raises:
        BenchError: no pixel of any image has a label.
    """
    empty = True
    for index in context.track(range(len(pairs)), title, len(pairs)):
        pair = pairs[index]
        assert pair.prediction is not None
        features = pair.prediction.features[name]
        truth = torch.from_numpy(pair.sample.truth.scored)[None]
        labels = resized_by_centres(truth, features.shape[1:])[0].flatten()
        generator = np.random.default_rng((context.seed, 9, index))
        rows = torch.from_numpy(drawn_pixels(labels.numpy(), most, balanced, generator))
        if len(rows):
            empty = False
            yield features.flatten(1)[:, rows.to(features.device)].T, labels[rows].to(features.device)
    if empty:
        raise BenchError(f"{title}: no training pixel has a label. Use a training split with labels")


def drawn_pixels(
    labels: Labels, most: int, balanced: bool, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw labelled pixels without replacement.

    Args:
        labels: int64 (N,).
        most: the number of pixels to draw; all labelled pixels if there are fewer.
        balanced: whether every class of the image has the same chance at each draw. Otherwise every pixel
            has.
        generator: the source of the draw.

    Returns:
        int64 (n,), the positions of the drawn pixels, ascending.
    """
    labelled = np.flatnonzero(labels != VOID)
    # A weighted draw without replacement: each pixel has a clock that rings at an exponential time, and the
    # first clocks to ring are drawn.
    clocks = generator.exponential(size=len(labelled))
    if balanced:
        clocks *= np.bincount(labels[labelled], minlength=1)[labels[labelled]]
    first = np.argsort(clocks, kind="stable")[:most]
    return np.sort(labelled[first])
