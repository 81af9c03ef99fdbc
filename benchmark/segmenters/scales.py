"""Images at several scales, as StreetHazards' segmenter is tested."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

STREET_SCALES = (300, 375, 450, 525, 600)
"""Short sides of StreetHazards' images, in training and for the averaged test."""
LONG_SIDE = 1000
"""The most pixels of the long side of a scaled image."""


def scaled(images: Tensor, short: int) -> Tensor:
    """Resize so that the short side is `short`, the long at most `LONG_SIDE`, both multiples of 8."""
    height, width = images.shape[2:]
    factor = min(short / min(height, width), LONG_SIDE / max(height, width))
    size = padded((int(height * factor), int(width * factor)), 8)
    # As PIL resizes, which the published code does.
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def padded(shape: Sequence[int], divisor: int) -> tuple[int, int]:
    """Height and width, rounded up to multiples of `divisor`."""
    height, width = (-(-length // divisor) * divisor for length in shape)
    return height, width
