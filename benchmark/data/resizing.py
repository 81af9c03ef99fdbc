"""Resizing with Pillow's coefficients, in torch, for images, label maps and synthesized images.

The published experiments resize with Pillow. Torch's `interpolate` places the pixels of a reduced label map
up to two pixels away from the pixels of the reduced image, and neither of its two nearest modes agrees with
Pillow at every size. Here all filters have Pillow's grid, and 8-bit images have Pillow's rounding, on every
device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, repeat
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Filter = Literal["nearest", "box", "bilinear", "bicubic"]

SUPPORT = {"box": 0.5, "bilinear": 1.0, "bicubic": 2.0}
"""How far each filter reaches to either side, in pixels of the coarser of the two grids."""
BICUBIC = -0.5
"""The parameter a of Pillow's bicubic filter."""
FIXED_POINT = 22
"""Binary digits behind the point of the weights by which Pillow multiplies 8-bit pixels."""


class Taps(NamedTuple):
    """The old pixels along one axis that make each new pixel.

    Attributes:
        places: int64 (new, K), the positions of K old pixels for each new one.
        weights: float64 (new, K), the weights of the old pixels. They sum to 1 for each new pixel.
    """

    places: Tensor
    weights: Tensor


def pillow_resize(maps: Tensor, size: Sequence[int], by: Filter) -> Tensor:
    """Resize the last axes of maps as Pillow's `Image.resize` does.

    8-bit images are equal to Pillow's to the last bit: one axis is resized after the other, from the last
    to the first, and the values are rounded to 8 bits after each. Versions of Pillow that take the first axis
    first at some sizes round otherwise there. Floating-point maps equal Pillow's mode "F".

    Args:
        maps: (..., *spatial). uint8 or floating point; by "nearest", of any type.
        size: lengths of the new spatial axes; as many of the last axes are resized.
        by: the filter. All but "nearest" widen with the reduction, so that every old pixel counts.

    Returns:
        (..., *size), of the type of `maps`.
    """
    for axis, new in zip(range(-1, -len(size) - 1, -1), reversed(size), strict=True):
        old = maps.shape[axis]
        if old == new:
            continue
        if by == "nearest":
            maps = maps.index_select(axis, nearest_places(old, new).to(maps.device))
        else:
            maps = _weighted(maps, axis, filter_taps(old, new, by))
    return maps


def resize_photograph(image: Tensor, size: Sequence[int], by: Filter) -> Tensor:
    """Resize photographs of 8 bits a colour, which samples hold as numbers in [0, 1].

    Args:
        image: float32 (..., *spatial) in [0, 1].
        size: lengths of the new spatial axes.
        by: the filter.

    Returns:
        float32 (..., *size) in [0, 1]: multiples of 1/255, as Pillow resizes the 8-bit image. An image that
        has this size is returned as it is.
    """
    if tuple(image.shape[-len(size) :]) == tuple(size):
        return image
    pixels = (image * 255).round().clamp(0, 255).to(torch.uint8)
    return pillow_resize(pixels, size, by).to(image.dtype) / 255


@lru_cache(maxsize=256)
def nearest_places(old: int, new: int) -> Tensor:
    """The old pixel that each new pixel takes by Pillow's nearest neighbour, int64 (new,).

    Args:
        old: number of pixels along the axis.
        new: number of pixels after resizing.
    """
    step = old / new
    # Pillow adds the step up, so that rounding decides where a new centre falls between two old pixels.
    centres = accumulate(repeat(step, new - 1), initial=step / 2)
    return torch.tensor([min(int(centre), old - 1) for centre in centres])


@lru_cache(maxsize=256)
def filter_taps(old: int, new: int, by: Filter) -> Taps:
    """The old pixels and weights of each new pixel by one of Pillow's filters other than "nearest".

    Args:
        old: number of pixels along the axis.
        new: number of pixels after resizing.
        by: the filter.
    """
    step = old / new
    stretch = max(step, 1.0)
    reach = SUPPORT[by] * stretch
    centres = (torch.arange(new, dtype=torch.float64) + 0.5) * step
    first = (centres - reach + 0.5).long().clamp_min(0)
    end = (centres + reach + 0.5).long().clamp_max(old)
    places = first[:, None] + torch.arange(int((end - first).max()))
    distances = (places - centres[:, None] + 0.5) * (1 / stretch)
    weights = torch.where(places < end[:, None], _filter(distances, by), 0)
    # The sum is taken in Pillow's order, from the first old pixel to the last.
    total = torch.zeros(new, dtype=torch.float64)
    for column in weights.unbind(1):
        total = total + column
    return Taps(places.clamp_max(old - 1), weights / total[:, None])


def _filter(distances: Tensor, by: Filter) -> Tensor:
    """The values of a filter at distances from its centre."""
    x = distances.abs()
    if by == "box":
        return ((distances > -0.5) & (distances <= 0.5)).double()
    if by == "bilinear":
        return (1 - x).clamp_min(0)
    near = ((BICUBIC + 2) * x - (BICUBIC + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * BICUBIC
    return torch.where(x < 1, near, torch.where(x < 2, far, 0))


def _weighted(maps: Tensor, axis: int, taps: Taps) -> Tensor:
    """The weighted sums along one axis: of 8-bit pixels in fixed-point numbers, of others in float64."""
    by_bytes = maps.dtype == torch.uint8
    weights = taps.weights
    if by_bytes:
        scaled = weights * 2.0**FIXED_POINT
        weights = (scaled + torch.where(scaled < 0, -0.5, 0.5)).to(torch.int32)
    places, weights = taps.places.T.to(maps.device), weights.T.to(maps.device)
    # Whole rows are gathered many times faster than single pixels.
    rows = maps.movedim(axis, 0)
    shape = rows.shape[1:]
    rows = rows.to(weights.dtype).reshape(len(rows), -1)
    # A half, by which the shift below rounds.
    start = 2 ** (FIXED_POINT - 1) if by_bytes else 0
    total = torch.full((places.shape[1], rows.shape[1]), start, dtype=rows.dtype, device=rows.device)
    for tap_places, tap_weights in zip(places, weights, strict=True):
        total.addcmul_(rows.index_select(0, tap_places), tap_weights[:, None])
    if by_bytes:
        total = (total >> FIXED_POINT).clamp(0, 255)
    return total.to(maps.dtype).reshape(-1, *shape).movedim(0, axis).contiguous()
