"""Training batches of the conditional GAN: pairs of label map and image, or patches of volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ....benchmark.data.selection import shuffled
from ....benchmark.interfaces import Context, Float32, Labels, Sample
from ....benchmark.segmenters.volumetric.patches import Patches, Sampling
from ...building_blocks.label_maps import resized_by_corners
from ...building_blocks.layers_and_resizing import Size, resized
from ...building_blocks.training_draws import is_mirrored
from .synthesis_config import SynthesisConfig
from .volume_patches import IntensityRange, ScaledPatches


def cgan_batches(config: SynthesisConfig, size: Size, context: Context) -> Callable[[int], Any]:
    """Training batches of images (B, C, *size) in [-1, 1] and labels (B, *size), by number."""
    if context.info.ndim == 2:
        return LabelImagePairs(context.train, size, config.batch_size, config.flip, config.seed)
    sampling = Sampling(structures=0.5, flip=0.5 if config.flip else 0.0, jitter=0.0)
    (depth, height, width), classes = size, len(context.info.classes)
    # Two volumes per batch, since reading a volume takes longer than cutting patches from it.
    per_volume = -(-config.batch_size // 2)
    patches = Patches(
        context.train, classes, config.batch_size, per_volume, (depth, height, width), sampling, config.seed
    )
    return ScaledPatches(patches, IntensityRange.of(context.train))


@dataclass(frozen=True)
class LabelImagePairs:
    """Training batches: `pairs(n)` gives the n-th, images (B, 3, *size) in [-1, 1] and labels (B, *size).

    Attributes:
        samples: the training samples.
        size: size of the synthesized image.
        flip: whether to mirror images at random.
        seed: of order and mirroring.
    """

    samples: Sequence[Sample]
    size: Size
    batch_size: int
    flip: bool
    seed: int

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """The batch of a number, from 0."""
        pairs = [self._pair(number * self.batch_size + slot) for slot in range(self.batch_size)]
        return np.stack([image for image, _ in pairs]), np.stack([label for _, label in pairs])

    def _pair(self, position: int) -> tuple[Float32, Labels]:
        sample = self.samples[shuffled(position, len(self.samples), self.seed, 2)]
        image = resized(torch.from_numpy(sample.image), self.size).numpy()
        label = resized_by_corners(torch.from_numpy(sample.truth.label), self.size).numpy()
        if self.flip and is_mirrored(position, self.seed, 3):
            image, label = image[..., ::-1], label[..., ::-1]
        return np.ascontiguousarray(image * 2 - 1), np.ascontiguousarray(label)
