"""Volumes for the cGAN: patches to train on, a window that slides at synthesis, the range of intensities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...benchmark.data.selection import evenly
from ...benchmark.interfaces import VOID, Float32, Labels, Sample
from ...benchmark.segmenters.volumetric.patches import Patches
from ...benchmark.segmenters.volumetric.sliding_window import sliding_window
from ..building_blocks.dimensions import Size

OVERLAP = 0.25
"""Of neighbouring windows, in each direction."""
PERCENTILES = (0.5, 99.5)
RANGED = 32
"""The most volumes whose intensities are looked at."""


@dataclass(frozen=True)
class Range:
    """The intensities that become -1 and 1, float32 (C,) each; what lies beyond is clipped."""

    low: Float32
    high: Float32

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Range:
        """The usual ones: of two percentiles of each volume the median over volumes."""
        images = (sample.image for sample in evenly(samples, RANGED))
        ends = [np.percentile(image.reshape(len(image), -1), PERCENTILES, axis=1) for image in images]
        low, high = np.median(ends, axis=0).astype(np.float32)
        return cls(low, np.where(high > low, high, low + 1).astype(np.float32))

    def scaled(self, images: Float32) -> Float32:
        """Volumes (B, C, *spatial) to [-1, 1]."""
        low, high = (end.reshape(-1, *(1,) * (images.ndim - 2)) for end in (self.low, self.high))
        found: Float32 = np.clip(2 * (images - low) / (high - low) - 1, -1, 1)
        return found


@dataclass(frozen=True)
class ScaledPatches:
    """Batches of patches whose images (B, C, *size) are in [-1, 1], with labels (B, *size)."""

    patches: Patches
    intensities: Range

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """The batch of this number."""
        images, labels = self.patches(number)
        return self.intensities.scaled(images), labels


def slide(synthesize: Callable[[Tensor], Tensor], labels: Tensor, size: Size) -> Tensor:
    """Synthesize a volume window by window; where they overlap, the mean, weighted towards their middles.

    A window that holds one label alone, as most of an abdomen's do, is synthesized once.

    Args:
        synthesize: int64 (1, *size) to float32 (1, C, *size).
        labels: int64 (*spatial). A volume smaller than a window is void around.

    Returns:
        float32 (C, *spatial).

    Raises:
        BenchError: MONAI is not installed.
    """
    uniform: dict[int, Tensor] = {}

    def window(seen: Tensor) -> Tensor:
        patch = seen[:, 0].long()
        first = int(patch.flatten()[0])
        if not bool((patch == first).all()):
            return synthesize(patch)
        if first not in uniform:
            uniform[first] = synthesize(patch)
        # MONAI multiplies what it gets by its weights in place.
        return uniform[first].clone()

    found: Tensor = sliding_window("synthesizing volumes")(
        labels[None, None].float(), size, 1, window, overlap=OVERLAP, mode="gaussian", cval=VOID
    )
    return found[0]
