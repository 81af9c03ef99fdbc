"""Label maps as the generator reads them: at several sizes, and as their distinct neighbourhoods.

SPADE's scale and shift of a pixel depend on the 5 x 5 labels around the pixel alone, and few of these
neighbourhoods are distinct. On a CPU, scale and shift are therefore computed once per distinct neighbourhood,
which halves the time of a training step. Volumes have more distinct and larger neighbourhoods, so that
nothing would be gained there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...building_blocks.layers_and_resizing import Size, spatial

DISTINCT = 0.75
"""The share of distinct neighbourhoods, per pixel, above which convolutions are as fast."""


class Neighbourhoods(NamedTuple):
    """The N distinct 5 x 5 neighbourhoods of a batch of label maps, and the M distinct 3 x 3 patches in them.

    Attributes:
        patches: float32 (M, 9 classes), the one-hot labels of each distinct patch; zeros beyond the map.
        parts: int64 (N, 9), the numbers of the patches centred on the middle nine pixels of each distinct
            neighbourhood; M for a centre beyond the map.
        nearby: int64 (B, h, w), the number of the neighbourhood around each pixel.
    """

    patches: Tensor
    parts: Tensor
    nearby: Tensor


class LabelLevel(NamedTuple):
    """Label maps at one size.

    Attributes:
        labels: float32 (B, classes, *spatial), one-hot.
        neighbourhoods: the distinct neighbourhoods; None if convolutions are as fast.
    """

    labels: Tensor
    neighbourhoods: Neighbourhoods | None


class LabelPyramid:
    """Label maps, float32 (B, classes, *spatial), resized to any size (nearest neighbour), once per size."""

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels
        self._levels: dict[Size, LabelLevel] = {}

    def at(self, size: Size) -> LabelLevel:
        """The label maps at a size."""
        if size not in self._levels:
            same = spatial(self.labels) == size
            labels = self.labels if same else F.interpolate(self.labels, size, mode="nearest")
            by_convolution = labels.is_cuda or len(size) == 3
            self._levels[size] = LabelLevel(
                labels, None if by_convolution else distinct_neighbourhoods(labels)
            )
        return self._levels[size]


@torch.no_grad()
def distinct_neighbourhoods(labels: Tensor) -> Neighbourhoods | None:
    """The distinct 5 x 5 neighbourhoods of label maps, float32 (B, classes, h, w).

    Returns:
        None if more than the share `DISTINCT` of the neighbourhoods is distinct, if the labels are neither
        one-hot nor zero, or if 63 bits do not hold nine labels or three patches.
    """
    classes = labels.shape[1]
    base = classes + 2  # digits: 0 for void, 1.. for the classes, the last for pixels beyond the map
    if base**9 >= 2**63 or not ((labels == 0) | (labels == 1)).all() or labels.sum(1).max() > 1:
        return None
    code = (labels.argmax(1) + 1) * labels.sum(1).long()
    code = F.pad(code, (1, 1, 1, 1), value=base - 1)
    patches, index = torch.unique(_three(_three(code, 2, base), 1, base**3), return_inverse=True)
    beyond = len(patches)
    if (index.numel() + 1) ** 3 >= 2**63:
        return None
    index = F.pad(index, (1, 1, 1, 1), value=beyond)
    rows, index = torch.unique(_three(index, 2, beyond + 1), return_inverse=True)
    codes, index = torch.unique(_three(index, 1, len(rows)), return_inverse=True)
    if len(codes) > DISTINCT * index.numel():
        return None
    parts = _digits(rows[_digits(codes, len(rows), 3)], beyond + 1, 3).flatten(1)
    hot = F.one_hot(_digits(patches, base, 9), base)[..., 1:-1].flatten(1).to(labels.dtype)
    return Neighbourhoods(hot, parts, index)


def _three(numbers: Tensor, dim: int, base: int) -> Tensor:
    """Each three neighbouring numbers along a dimension as one number, the first being the highest digit."""
    length = numbers.shape[dim] - 2
    one, two, three = (numbers.narrow(dim, start, length) for start in range(3))
    return (one * base + two) * base + three


def _digits(numbers: Tensor, base: int, count: int) -> Tensor:
    """The digits of numbers, int64 (...) to (..., count), the highest digit first."""
    powers = base ** torch.arange(count - 1, -1, -1, device=numbers.device)
    return numbers[..., None] // powers % base
