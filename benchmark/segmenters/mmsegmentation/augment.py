"""Augments a training image and its labels: random scale, crop, flip and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from ...interfaces import VOID, Config, Float32, Labels

GREY = 0.45
"""Value around an image that is smaller than the crop: about the mean of photographs."""


class Augment(Config):
    """Which random changes are made to a training image.

    Attributes:
        scale: Smallest and largest factor on the image's size.
        flip: Probability of a left-right flip.
        jitter: Strength of the changes of brightness, contrast and saturation; 0 for no change.
    """

    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    jitter: float = 1.0


@dataclass(frozen=True)
class _Window:
    """The part of the image that is cut out, in the image's own pixels, and the size it is resized to."""

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]


def augment(
    image: Float32, label: Labels, crop: tuple[int, int], how: Augment, generator: Generator
) -> tuple[Float32, Labels]:
    """Change an image at random and cut out a crop, padded with grey and `VOID` where the image ends.

    Args:
        image: float32 (3, H, W), RGB in [0, 1].
        label: int64 (H, W).
        crop: Height and width of the crop.
        how: Which changes are made.
        generator: Source of all randomness: equal generators give equal results.

    Returns:
        The image, float32 (3, *crop) in [0, 1], and the label, int64 (*crop).
    """
    window = _window(label.shape, crop, generator.uniform(*how.scale), generator)
    rows = slice(window.top, window.top + window.height)
    columns = slice(window.left, window.left + window.width)
    height, width = window.size
    shrinks = height < window.height
    pixels = np.ascontiguousarray(image[:, rows, columns].transpose(1, 2, 0))
    pixels = _resize(pixels, (width, height), cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    # cv2 resizes no 64-bit integers; labels are below 256.
    values = label[rows, columns].astype(np.uint8)
    values = _resize(values, (width, height), cv2.INTER_NEAREST)
    if generator.random() < how.flip:
        pixels, values = pixels[:, ::-1], values[:, ::-1]
    pixels = _jitter(pixels, how.jitter, generator)
    out = np.full((3, *crop), GREY, np.float32)
    out[:, :height, :width] = pixels.transpose(2, 0, 1)
    truth = np.full(crop, VOID, np.int64)
    truth[:height, :width] = values
    return out, truth


def _window(shape: tuple[int, ...], crop: tuple[int, int], scale: float, generator: Generator) -> _Window:
    """Draw the place of the crop.

    The crop is cut out before it is resized: the result is the same as the other way round, but the rest of
    the image need not be resized.
    """
    extents, starts, sizes = [], [], []
    for length, crop_length in zip(shape, crop, strict=True):
        extent = max(1, min(length, round(crop_length / scale)))
        extents.append(extent)
        sizes.append(min(crop_length, max(1, round(extent * scale))))
        starts.append(int(generator.integers(0, length - extent + 1)))
    return _Window(starts[0], starts[1], extents[0], extents[1], (sizes[0], sizes[1]))


def _resize(array: npt.NDArray[Any], size: tuple[int, int], method: int) -> npt.NDArray[Any]:
    # The annotation restores the element type, which cv2's stubs forget.
    resized: npt.NDArray[Any] = cv2.resize(array, size, interpolation=method)
    return resized


def _jitter(pixels: Float32, strength: float, generator: Generator) -> Float32:
    """Change saturation, contrast and brightness of an image (H, W, 3)."""
    brightness, contrast, saturation = generator.uniform(-1, 1, 3) * strength
    if strength == 0:
        return pixels
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(1 + 0.5 * saturation)
    mean = pixels.mean()
    pixels = mean + (pixels - mean) * np.float32(1 + 0.4 * contrast) + np.float32(0.125 * brightness)
    return np.clip(pixels, 0, 1)
