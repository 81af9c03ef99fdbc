"""Images and predictions as the comparison network sees them: cropped, resized and normalised."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ....benchmark.interfaces.errors import BenchError
from ....benchmark.segmenters.imagenet_encoders import IMAGENET_MEAN, IMAGENET_STD
from ...building_blocks.layers_and_resizing import Size, resized
from .comparison_config import ComparisonConfig

LEAST_DEVIATION = 1e-6
"""The smallest standard deviation that intensities of a volume are divided by."""


def network_inputs(image: Tensor, probabilities: Tensor, size: Size) -> dict[str, Tensor]:
    """An image (C, *spatial) and its softmax (L, *spatial) as the network sees them, at `size`."""
    return {"image": normalised(image, size), "probabilities": resized(probabilities, size)}


def cropped(synthesized: Tensor, shape: Size, box: tuple[slice, ...]) -> Tensor:
    """The part of x̂ that the network sees.

    Args:
        synthesized: x̂, float32 (C, *size).
        shape: size of the image x.
        box: the box of x that the network sees, see `foreground_box`.

    Returns:
        float32 (C, *spatial): x̂ at its own size if the box is the whole image; otherwise the box of x̂ at
        the size of the image.
    """
    if all(part == slice(None) for part in box):
        return synthesized
    return resized(synthesized, shape)[:, *box]


def normalised(image: Tensor, size: Size) -> Tensor:
    """Resize an image and normalise its intensities.

    Photographs are normalised by ImageNet's mean and deviation, volumes to mean 0 and deviation 1 per
    channel.

    Args:
        image: float32, a photograph (3, h, w) in [0, 1] or a volume (C, d, h, w) of any unit.
        size: size of the result.

    Returns:
        float32 (C, *size).
    """
    if len(size) == 3:
        volume = resized(image, size)
        mean, std = volume.mean(dim=(1, 2, 3), keepdim=True), volume.std(dim=(1, 2, 3), keepdim=True)
        return (volume - mean) / std.clamp_min(LEAST_DEVIATION)
    mean, std = (
        torch.tensor(numbers, device=image.device).view(-1, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (resized(image, size) - mean) / std


def network_size(config: ComparisonConfig, shape: Sequence[int]) -> Size:
    """The size at which the network sees images of a shape.

    Raises:
        BenchError: the configured size has another number of axes.
    """
    if config.size is None:
        return tuple(int(length) for length in shape)
    if isinstance(config.size, tuple):
        if len(config.size) != len(shape):
            raise BenchError(
                f"comparison.size {config.size} has {len(config.size)} axes, the data {len(shape)}: "
                f"name {len(shape)} lengths"
            )
        return config.size
    if len(shape) == 3:
        return (config.size,) * 3
    return config.size, round(config.size * shape[1] / shape[0] / 32) * 32
