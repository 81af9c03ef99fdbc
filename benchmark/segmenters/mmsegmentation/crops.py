"""Makes a segmenter's training batches of random crops, and class weights from the training labels."""

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
"""Largest number of label maps on which the frequencies of the classes are counted."""


@dataclass(frozen=True)
class Crops:
    """Makes training batches: `crops(n)` is the n-th batch and depends on n alone.

    Every epoch uses every image once, in an order that the seed and the number of the epoch decide.

    Attributes:
        samples: The training images.
        classes: Number of classes.
        batch_size: Images in a batch.
        crop: Height and width of a crop.
        augment: Which random changes are made.
        seed: The run's seed.
    """

    samples: Sequence[Sample]
    classes: int
    batch_size: int
    crop: tuple[int, int]
    augment: Augment
    seed: int

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """Make a batch: images float32 (B, 3, *crop) and labels int64 (B, *crop).

        Raises:
            BenchError: A label is neither a class nor void; the message names the sample.
        """
        # OpenCV works in the worker's one thread: threads of its own would compete with the training.
        cv2.setNumThreads(0)
        crops = [self._crop(number * self.batch_size + slot) for slot in range(self.batch_size)]
        return np.stack([image for image, _ in crops]), np.stack([label for _, label in crops])

    def _crop(self, position: int) -> tuple[Float32, Labels]:
        sample = self.samples[shuffled(position, len(self.samples), self.seed, 0)]
        image, label = sample.image, sample.truth.label
        check_labels(sample.key, label, self.classes)
        generator = np.random.default_rng((self.seed, 1, position))
        return augment(image, label, self.crop, self.augment, generator)


def check_labels(key: str, label: Labels, classes: int) -> None:
    """Check that every label is a class or void.

    Raises:
        BenchError: A label is neither; the message names the sample and the label.
    """
    wrong = label[(label != VOID) & ((label < 0) | (label >= classes))]
    if wrong.size:
        raise BenchError(f"sample {key} has label {int(wrong[0])}, but the data set has {classes} classes")


def balanced_weights(samples: Sequence[Sample], classes: int, c: float = 1.02) -> list[float]:
    """Compute class weights that are larger for rare classes (Paszke et al., "ENet", 2016, Sec. 5.2).

    A class with the share p of the labelled pixels has the weight 1 / log(c + p), and 0 where p is 0. The
    weights are scaled so that their mean over the labelled pixels is 1. The shares are counted on at most
    `COUNTED` evenly spaced samples.

    Args:
        samples: The training samples.
        classes: Number of classes.
        c: Constant above 1; the larger c is, the less rare classes gain.

    Raises:
        BenchError: A label is neither a class nor void; the message names the sample.
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
