"""Segments images at several scales and averages the results, as StreetHazards' segmenter is tested."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import lcm

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data.resizing import resize_photograph
from ...interfaces import Features
from .inference import Inference, Size

LONG_SIDE = 1000
"""Largest length in pixels of a scaled image's long side."""
AS_IT_IS = 0
"""Stands for the image's own size among the lengths of the short side."""
MULTIPLE = 8
"""The sides of a scaled image are multiples of this number of pixels."""


def segment(
    inference: Inference, images: Tensor, scales: Sequence[int], wanted: Collection[Features]
) -> tuple[Tensor, Tensor, dict[Features, Tensor]]:
    """Segment images at several scales, or as they are, with one pass of the network for each scale.

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
    means = _FeatureMeans(images, wanted)

    def logits_of_scales() -> Iterator[Tensor]:
        for short in scales or (AS_IT_IS,):
            view = _view(inference, images, short)
            logits, outputs = inference.logits(view, _size(images), means.layers(short))
            means.add(short, outputs)
            yield logits

    logits, probabilities = _means(logits_of_scales())
    _add_features(inference, images, means)
    return logits, probabilities, means.maps


def features_alone(
    inference: Inference, images: Tensor, wanted: Collection[Features]
) -> dict[Features, Tensor]:
    """Compute features of images, with one pass for each scale that stops before the classifier.

    Args:
        inference: The network.
        images: float32 (B, 3, H, W), RGB in [0, 1].
        wanted: The features to return.

    Returns:
        The features that `segment` returns, float32 (B, C, *reduced).
    """
    means = _FeatureMeans(images, wanted)
    _add_features(inference, images, means)
    return means.maps


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
    views = [_view(inference, image, short) for short in scales or (AS_IT_IS,)]
    passes = [inference.stochastic(view, _size(image)) for view in views]

    def draw() -> tuple[Tensor, Tensor]:
        logits, probabilities = _means(one_pass() for one_pass in passes)
        return probabilities[0], logits[0]

    return draw


def scaled(images: Tensor, short: int, divisor: int = MULTIPLE) -> Tensor:
    """Resize images so that the short side is `short` and the long side at most `LONG_SIDE`.

    Both lengths are rounded up to multiples of 8, as published, and of the network's divisor, so that nothing
    is padded and logits can be interpolated once. The images are resized as the published code does, by
    Pillow with 8 bits a colour.
    """
    height, width = images.shape[2:]
    factor = min(short / min(height, width), LONG_SIDE / max(height, width))
    size = rounded_up((int(height * factor), int(width * factor)), lcm(MULTIPLE, divisor))
    return resize_photograph(images, size, "bilinear")


def rounded_up(shape: Sequence[int], divisor: int) -> Size:
    """Round height and width up to multiples of the divisor."""
    height, width = (-(-length // divisor) * divisor for length in shape)
    return height, width


class _FeatureMeans:
    """Means of features over scales, to which the outputs of one pass after the other are added.

    Features of scales are averaged at a quarter of the images' size; others keep the layer's resolution. A
    mean is complete when the outputs of all its scales have been added.

    Args:
        images: float32 (B, 3, H, W).
        wanted: The features.
    """

    def __init__(self, images: Tensor, wanted: Collection[Features]) -> None:
        height, width = _size(images)
        self.maps: dict[Features, Tensor] = {}
        self._quarter = (-(-height // 4), -(-width // 4))
        self._missing = {features: set(features.scales or (AS_IT_IS,)) for features in wanted}

    def scales(self) -> list[int]:
        """The scales that some features still lack."""
        return sorted(set().union(*self._missing.values()))

    def layers(self, short: int) -> set[str]:
        """The layers whose outputs at a scale are still missing."""
        return {features.layer for features, missing in self._missing.items() if short in missing}

    def add(self, short: int, outputs: Mapping[str, Tensor]) -> None:
        """Add the outputs of a pass at one scale: layer -> float32 (B, C, h, w)."""
        for features, missing in self._missing.items():
            if short not in missing:
                continue
            missing.remove(short)
            output = outputs[features.layer]
            if not features.scales:
                self.maps[features] = output
                continue
            resized = F.interpolate(output, self._quarter, mode="bilinear", align_corners=False)
            # In place: the 4096 channels of one image take a gibibyte.
            total = self.maps[features].add_(resized) if features in self.maps else resized
            self.maps[features] = total if missing else total.div_(len(set(features.scales)))


def _add_features(inference: Inference, images: Tensor, means: _FeatureMeans) -> None:
    """Make the passes that are still missing."""
    for short in means.scales():
        view = _view(inference, images, short)
        means.add(short, inference.features(view, means.layers(short)))


def _view(inference: Inference, images: Tensor, short: int) -> Tensor:
    """The images at a scale, or as they are."""
    return images if short == AS_IT_IS else scaled(images, short, inference.divisor)


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
