"""Layers, convolutions and resizing that work alike in two and in three dimensions.

Each table maps the number of spatial axes (2 or 3) to the layer or function of that dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Size = tuple[int, ...]
"""Lengths of the spatial axes, (H, W) or (D, H, W)."""

CONVOLUTION: Mapping[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORM: Mapping[int, Any] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE_NORM: Mapping[int, Any] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
convolve: Mapping[int, Callable[..., Tensor]] = {2: F.conv2d, 3: F.conv3d}
average_pool: Mapping[int, Callable[..., Tensor]] = {2: F.avg_pool2d, 3: F.avg_pool3d}
LINEAR = {2: "bilinear", 3: "trilinear"}
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def spatial(maps: Tensor) -> Size:
    """The lengths of the spatial axes of maps (B, C, *spatial)."""
    return tuple(int(length) for length in maps.shape[2:])


def enlarged(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate maps (B, C, *spatial) linearly along each axis, to (B, C, *size)."""
    return F.interpolate(maps, tuple(size), mode=LINEAR[maps.ndim - 2], align_corners=False)


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize maps (C, *spatial) to (C, *size).

    The mean over the area of each new pixel is taken if no axis grows, linear interpolation otherwise.
    """
    old_size, new_size = tuple(maps.shape[1:]), tuple(size)
    if old_size == new_size:
        return maps
    if all(old >= new for old, new in zip(old_size, new_size, strict=True)):
        return F.interpolate(maps[None], new_size, mode="area")[0]
    return enlarged(maps[None], new_size)[0]
