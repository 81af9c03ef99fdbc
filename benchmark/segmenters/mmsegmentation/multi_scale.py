"""Segments images at several scales and averages the results, as StreetHazards' segmenter is tested."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...interfaces import Features
from .inference import Inference, Size

LONG_SIDE = 1000
"""Largest length in pixels of a scaled image's long side."""


def segment(
    inference: Inference, images: Tensor, scales: Sequence[int], wanted: Collection[Features]
) -> tuple[Tensor, Tensor, dict[Features, Tensor]]:
    """Segment images at several scales, or as they are.

    Over several scales the softmax is averaged, as published, and so are the logits, for scores that read
    logits; about these nothing is published.

    Args:
        inference: The network.
        images: float32 (B, 3, H, W), RGB in [0, 1].
        scales: Lengths of the images' short side; empty for the images as they are.
        wanted: The features to return.

    Returns:
        Logits and probabilities, both float32 (B, L, H, W), and the features, float32 (B, C, *reduced).
    """
    size = _size(images)
    layers = {features.layer for features in wanted if not features.scales}
    maps: dict[Features, Tensor] = {}
    logits: Tensor | None = None
    if not scales or layers:
        logits, outputs = inference.logits(images, size, layers)
        maps.update({Features(layer): outputs[layer] for layer in layers})
    for features in wanted:
        if features.scales:
            maps[features] = _averaged_features(inference, images, features)
    if not scales:
        assert logits is not None
        return logits, torch.softmax(logits, dim=1), maps
    views = [scaled(images, short) for short in scales]
    return *_means(inference.logits(view, size)[0] for view in views), maps


def stochastic(
    inference: Inference, image: Tensor, scales: Sequence[int]
) -> Callable[[], tuple[Tensor, Tensor]]:
    """Return a function that makes one more pass with dropout at every scale.

    Args:
        inference: The network.
        image: float32 (1, 3, H, W), RGB in [0, 1].
        scales: Lengths of the image's short side; empty for the image as it is.

    Returns:
        A function whose results are softmax and logits of one pass, both float32 (L, H, W).
    """
    views = [scaled(image, short) for short in scales] or [image]
    passes = [inference.stochastic(view, _size(image)) for view in views]

    def draw() -> tuple[Tensor, Tensor]:
        logits, probabilities = _means(one_pass() for one_pass in passes)
        return probabilities[0], logits[0]

    return draw


def scaled(images: Tensor, short: int) -> Tensor:
    """Resize images so that the short side is `short` and the long side at most `LONG_SIDE`.

    Both lengths are rounded up to multiples of 8.
    """
    height, width = images.shape[2:]
    factor = min(short / min(height, width), LONG_SIDE / max(height, width))
    size = rounded_up((int(height * factor), int(width * factor)), 8)
    # With antialias, as PIL resizes, which the published code uses.
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def rounded_up(shape: Sequence[int], divisor: int) -> Size:
    """Round height and width up to multiples of the divisor."""
    height, width = (-(-length // divisor) * divisor for length in shape)
    return height, width


def _averaged_features(inference: Inference, images: Tensor, wanted: Features) -> Tensor:
    """Mean of a layer's features over scales, at a quarter of the images' size: float32 (B, C, H/4, W/4)."""
    height, width = _size(images)
    quarter = (-(-height // 4), -(-width // 4))
    total: Tensor | None = None
    for short in wanted.scales:
        view = scaled(images, short)
        _, outputs = inference.logits(view, _size(view), {wanted.layer})
        resized = F.interpolate(outputs[wanted.layer], quarter, mode="bilinear", align_corners=False)
        total = resized if total is None else total.add_(resized)
    assert total is not None
    return total / len(wanted.scales)


def _means(logits_of_scales: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Average the logits (B, L, H, W) and their softmax over scales, with one scale in memory at a time."""
    logits: Tensor | float = 0.0
    probabilities: Tensor | float = 0.0
    count = 0
    for scale_logits in logits_of_scales:
        logits = logits + scale_logits
        probabilities = probabilities + torch.softmax(scale_logits, dim=1)
        count += 1
    assert isinstance(logits, Tensor)
    assert isinstance(probabilities, Tensor)
    return logits / count, probabilities / count


def _size(images: Tensor) -> Size:
    return int(images.shape[2]), int(images.shape[3])
