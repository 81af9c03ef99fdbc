"""Cuts training batches of patches out of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from ...data.selection import shuffled
from ...interfaces import VOID, Config, Float32, Labels, Sample
from ...interfaces.errors import BenchError

Size = tuple[int, int, int]
"""Depth, height and width in voxels."""
PADDING = 0.0
"""Value around a volume that is smaller than a patch: the lower end of CT's window, the mean of MR."""


class Sampling(Config):
    """How patches are placed and varied.

    Attributes:
        structures: Share of the patches that are centred on a voxel of a structure, where every structure of
            the volume is equally likely. The other patches lie anywhere.
        flip: Probability of a left-right flip.
        jitter: Largest random change of the image's scale, and of its offset.
    """

    structures: float = 0.7
    flip: float = 0.5
    jitter: float = 0.1


@dataclass(frozen=True)
class Patches:
    """Makes training batches: `patches(n)` is the n-th batch and depends on n alone.

    Every epoch reads every volume once, in an order that the seed and the number of the epoch decide.

    Attributes:
        samples: The training volumes.
        classes: Number of classes; class 0 is the background.
        batch_size: Patches in a batch.
        per_volume: Patches that are cut out of a volume each time that the volume is read.
        size: Size of a patch.
        how: How the patches are placed and varied.
        seed: The run's seed.
    """

    samples: Sequence[Sample]
    classes: int
    batch_size: int
    per_volume: int
    size: Size
    how: Sampling
    seed: int

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """Make a batch: images float32 (B, C, *size) and labels int64 (B, *size).

        Raises:
            BenchError: A label is neither a class nor void; the message names the sample.
        """
        volumes = -(-self.batch_size // self.per_volume)
        patches = [patch for slot in range(volumes) for patch in self._from_volume(number * volumes + slot)]
        patches = patches[: self.batch_size]
        return np.stack([image for image, _ in patches]), np.stack([label for _, label in patches])

    def _from_volume(self, position: int) -> list[tuple[Float32, Labels]]:
        sample = self.samples[shuffled(position, len(self.samples), self.seed, 0)]
        image, label = sample.image, sample.truth.scored
        labelled = label[label != VOID]
        if labelled.size and not 0 <= labelled.min() <= labelled.max() < self.classes:
            raise BenchError(
                f"sample {sample.key} has labels {labelled.min()}..{labelled.max()}, "
                f"but the data set has {self.classes} classes"
            )
        generator = np.random.default_rng((self.seed, 1, position))
        voxels = [np.flatnonzero(label == structure) for structure in range(1, self.classes)]
        present = [voxels_of_one for voxels_of_one in voxels if voxels_of_one.size]
        return [self._patch(image, label, present, generator) for _ in range(self.per_volume)]

    def _patch(
        self, image: Float32, label: Labels, structures: Sequence[np.ndarray], generator: Generator
    ) -> tuple[Float32, Labels]:
        """Cut out one patch. `structures` are the flat indices of the voxels of every structure present."""
        window = self._window(label.shape, structures, generator)
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

    def _window(
        self, shape: tuple[int, ...], structures: Sequence[np.ndarray], generator: Generator
    ) -> tuple[slice, ...]:
        """Draw the place of a patch. Along axes where the volume is larger, the patch stays inside."""
        if structures and generator.random() < self.how.structures:
            voxels = structures[int(generator.integers(len(structures)))]
            centre = np.unravel_index(voxels[generator.integers(voxels.size)], shape)
        else:
            centre = tuple(generator.integers(0, shape))
        starts = [
            int(np.clip(at - length // 2, 0, max(whole - length, 0)))
            for at, length, whole in zip(centre, self.size, shape, strict=True)
        ]
        return tuple(slice(start, start + length) for start, length in zip(starts, self.size, strict=True))
