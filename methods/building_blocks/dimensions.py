"""Layers of two and of three dimensions by their number, for networks that have it as a parameter."""

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
    """The lengths of the spatial axes of (B, C, *spatial)."""
    return tuple(int(length) for length in maps.shape[2:])


def enlarged(maps: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, *spatial) to (B, C, *size), linearly along each axis."""
    return F.interpolate(maps, tuple(size), mode=LINEAR[maps.ndim - 2], align_corners=False)


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """(C, *spatial) to (C, *size): by area where it shrinks along every axis, else linearly."""
    have, wanted = tuple(maps.shape[1:]), tuple(size)
    if have == wanted:
        return maps
    if all(old >= new for old, new in zip(have, wanted, strict=True)):
        return F.interpolate(maps[None], wanted, mode="area")[0]
    return enlarged(maps[None], wanted)[0]


def nearest(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Label maps (*spatial) of whole numbers to (*size), each the label at its own place's."""
    if tuple(labels.shape) == tuple(size):
        return labels
    small = F.interpolate(labels[None, None].float(), tuple(size), mode="nearest")
    return small[0, 0].to(labels.dtype)
