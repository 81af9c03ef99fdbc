"""Patches of volumes: training batches, each a function of its number alone, and a window that slides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from ...data.selection import shuffled
from ...interfaces import VOID, Config, Float32, Labels, Sample
from ...interfaces.errors import BenchError, ExtraMissingError

Size = tuple[int, int, int]
PADDING = 0.0
"""Of the image where a patch is larger than the volume: the lower end of CT's window, the mean of MR."""


def sliding_window(what: str) -> Callable[..., Any]:
    """MONAI's inference by a window that slides over a volume.

    Args:
        what: it is for, as errors name it.

    Raises:
        ExtraMissingError: MONAI is not installed.
    """
    try:
        from monai.inferers import sliding_window_inference
    except ImportError as error:
        raise ExtraMissingError(what, "medical", "monai") from error
    found: Callable[..., Any] = sliding_window_inference
    return found


class Sampling(Config):
    """Which patches are cut, and how they are varied.

    Attributes:
        structures: part of the patches that are centred on a voxel of a structure, each structure of the
            volume as likely as any other; the others lie anywhere.
        flip: probability of a left-right flip.
        jitter: largest change of the image's scale, and of its offset.
    """

    structures: float = 0.7
    flip: float = 0.5
    jitter: float = 0.1


@dataclass(frozen=True)
class Patches:
    """`patches(n)` gives the n-th batch: images (B, C, *size) and labels (B, *size).

    Every volume is read once an epoch, in an order that the seed and the epoch decide.

    Attributes:
        classes: number of classes; 0 is the background.
        per_volume: patches that are cut from a volume each time that it is read.
    """

    samples: Sequence[Sample]
    classes: int
    batch_size: int
    per_volume: int
    size: Size
    how: Sampling
    seed: int

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """The batch of this number."""
        volumes = -(-self.batch_size // self.per_volume)
        cut = [patch for slot in range(volumes) for patch in self._from_volume(number * volumes + slot)]
        cut = cut[: self.batch_size]
        return np.stack([image for image, _ in cut]), np.stack([label for _, label in cut])

    def _from_volume(self, position: int) -> list[tuple[Float32, Labels]]:
        sample = self.samples[shuffled(position, len(self.samples), self.seed, 0)]
        image, label = sample.image, sample.truth.scored
        known = label[label != VOID]
        if known.size and not 0 <= known.min() <= known.max() < self.classes:
            raise BenchError(
                f"sample {sample.key} has labels {known.min()}..{known.max()}, "
                f"but the data set has {self.classes} classes"
            )
        generator = np.random.default_rng((self.seed, 1, position))
        places = [np.flatnonzero(label == cls) for cls in range(1, self.classes)]
        present = [place for place in places if place.size]
        return [self._patch(image, label, present, generator) for _ in range(self.per_volume)]

    def _patch(
        self, image: Float32, label: Labels, present: Sequence[np.ndarray], generator: Generator
    ) -> tuple[Float32, Labels]:
        shape = label.shape
        if present and generator.random() < self.how.structures:
            place = present[int(generator.integers(len(present)))]
            centre = np.unravel_index(place[generator.integers(place.size)], shape)
        else:
            centre = tuple(generator.integers(0, shape))
        # Where the volume is the larger, the patch stays inside.
        starts = [
            int(np.clip(at - want // 2, 0, max(have - want, 0)))
            for at, want, have in zip(centre, self.size, shape, strict=True)
        ]
        window = tuple(slice(start, start + want) for start, want in zip(starts, self.size, strict=True))
        pixels = np.full((len(image), *self.size), PADDING, np.float32)
        truth = np.full(self.size, VOID, np.int64)
        inside = tuple(slice(0, length) for length in label[window].shape)
        scale, offset = 1 + self.how.jitter * generator.uniform(-1, 1, 2)
        pixels[(slice(None), *inside)] = image[(slice(None), *window)] * np.float32(scale) + np.float32(
            offset - 1
        )
        truth[inside] = label[window]
        if generator.random() < self.how.flip:
            pixels, truth = pixels[..., ::-1], truth[..., ::-1]
        return np.ascontiguousarray(pixels), np.ascontiguousarray(truth)
