"""Training batches of a segmenter, each a function of its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ...data.selection import shuffled
from ...interfaces import VOID, Float32, Labels, Sample
from ...interfaces.errors import BenchError
from .augment import Augment, augment

COUNTED = 400
"""Label maps that class frequencies are counted on."""


@dataclass(frozen=True)
class Crops:
    """`crops(n)` gives the n-th batch: images (B, 3, *crop) and labels (B, *crop).

    Every image is used once an epoch, in an order that the seed and the epoch decide.
    """

    samples: Sequence[Sample]
    classes: int
    batch_size: int
    crop: tuple[int, int]
    augment: Augment
    seed: int

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """The batch of this number."""
        # The one thread of a worker: OpenCV's own would fight with the training for the cores.
        cv2.setNumThreads(0)
        cut = [self._cut(number * self.batch_size + slot) for slot in range(self.batch_size)]
        return np.stack([image for image, _ in cut]), np.stack([label for _, label in cut])

    def _cut(self, position: int) -> tuple[Float32, Labels]:
        sample = self.samples[shuffled(position, len(self.samples), self.seed, 0)]
        image, label = sample.image, sample.truth.label
        check_labels(sample.key, label, self.classes)
        generator = np.random.default_rng((self.seed, 1, position))
        return augment(image, label, self.crop, self.augment, generator)


def check_labels(key: str, label: Labels, classes: int) -> None:
    """Every label is a class or void.

    Raises:
        BenchError: naming the sample and the value.
    """
    wrong = label[(label != VOID) & ((label < 0) | (label >= classes))]
    if wrong.size:
        raise BenchError(f"sample {key} has label {int(wrong[0])}, but the data set has {classes} classes")


def balanced_weights(samples: Sequence[Sample], classes: int, c: float = 1.02) -> list[float]:
    """1 / log(c + share of the pixels) (Paszke et al., ENet, 2016), scaled to a mean of 1 over the pixels.

    A class without a pixel gets 0. Counted on at most `COUNTED` samples, evenly spread.
    """
    count: npt.NDArray[np.int64] = np.zeros(VOID + 1, np.int64)
    for index in np.unique(np.linspace(0, len(samples) - 1, min(len(samples), COUNTED)).astype(int)):
        sample = samples[int(index)]
        check_labels(sample.key, sample.truth.label, classes)
        count += np.bincount(sample.truth.label.ravel(), minlength=VOID + 1)
    share = count[:classes] / max(int(count[:classes].sum()), 1)
    weights = np.where(share > 0, 1 / np.log(c + share), 0.0)
    scale = float((weights * share).sum())
    return [float(weight) / scale for weight in weights] if scale > 0 else [1.0] * classes
