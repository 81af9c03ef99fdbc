"""Volumes in the cGAN: the range of intensities, training patches, and synthesis by a sliding window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ....benchmark.data.selection import evenly
from ....benchmark.interfaces import VOID, Float32, Labels, Sample
from ....benchmark.segmenters.volumetric.patches import Patches
from ....benchmark.segmenters.volumetric.sliding_window import sliding_window
from ...building_blocks.layers_and_resizing import Size

OVERLAP = 0.25
"""The overlap of neighbouring windows, as a part of the window, along each axis."""
PERCENTILES = (0.5, 99.5)
"""The percentiles of a volume's intensities that become -1 and 1."""
MOST_VOLUMES = 32
"""The most volumes whose intensities are read for the range."""


@dataclass(frozen=True)
class IntensityRange:
    """The range of intensities that is mapped to [-1, 1]. Intensities beyond the range are clipped.

    Attributes:
        low: the intensities that become -1, float32 (C,), one per channel.
        high: the intensities that become 1, float32 (C,).
    """

    low: Float32
    high: Float32

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> IntensityRange:
        """The usual range of training volumes: the median over volumes of two percentiles of each."""
        images = (sample.image for sample in evenly(samples, MOST_VOLUMES))
        ends = [np.percentile(image.reshape(len(image), -1), PERCENTILES, axis=1) for image in images]
        low, high = np.median(ends, axis=0).astype(np.float32)
        return cls(low, np.where(high > low, high, low + 1).astype(np.float32))

    def scaled(self, images: Float32) -> Float32:
        """Bring volumes (B, C, *spatial) to [-1, 1]."""
        low, high = (end.reshape(-1, *(1,) * (images.ndim - 2)) for end in (self.low, self.high))
        scaled: Float32 = np.clip(2 * (images - low) / (high - low) - 1, -1, 1)
        return scaled


@dataclass(frozen=True)
class ScaledPatches:
    """Training batches: `batches(n)` is the n-th, images (B, C, *size) in [-1, 1] and labels (B, *size)."""

    patches: Patches
    intensities: IntensityRange

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """The batch of a number, from 0."""
        images, labels = self.patches(number)
        return self.intensities.scaled(images), labels


def synthesize_by_window(synthesize: Callable[[Tensor], Tensor], labels: Tensor, size: Size) -> Tensor:
    """Synthesize a volume window by window.

    Where windows overlap, their weighted mean is taken; the weight falls from the middle of a window. Windows
    that hold a single label, as most windows of an abdomen do, are synthesized once per label.

    Args:
        synthesize: synthesizes one window, int64 (1, *size) to float32 (1, C, *size).
        labels: int64 (*spatial). A volume that is smaller than a window is padded with void.
        size: size of the window.

    Returns:
        float32 (C, *spatial).

    Raises:
        BenchError: MONAI is not installed.
    """
    uniform: dict[int, Tensor] = {}

    def window(labels_in_window: Tensor) -> Tensor:
        patch = labels_in_window[:, 0].long()
        first = int(patch.flatten()[0])
        if not bool((patch == first).all()):
            return synthesize(patch)
        if first not in uniform:
            uniform[first] = synthesize(patch)
        # A copy, since MONAI multiplies the window by its weights in place.
        return uniform[first].clone()

    volumes: Tensor = sliding_window("synthesizing volumes")(
        labels[None, None].float(), size, 1, window, overlap=OVERLAP, mode="gaussian", cval=VOID
    )
    return volumes[0]
