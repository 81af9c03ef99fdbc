"""The score of anomalies: the distance of features of image and synthesis (Eq. 9), combined with MSP.

x is the image, x̂ its synthesis, f the features, and p the maximum softmax probability.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 256
"""Channels that are compared at a time: the features of a large image would not fit in memory twice."""
TINY = 1e-12


def cosine_distance(real: Tensor, synthesized: Tensor, size: tuple[int, int]) -> Tensor:
    """The cosine distance of features, 1 - <f(x) / |f(x)|, f(x̂) / |f(x̂)|> (Eq. 9).

    Args:
        real: f(x), float32 (C, h, w).
        synthesized: f(x̂), float32 (C, h, w).
        size: height and width of the result, to which the map is enlarged.

    Returns:
        float32 (*size) in [0, 2], 0 where the features agree, 2 where they are opposed.
    """
    dot, real_square, synthesized_square = (torch.zeros_like(real[0]) for _ in range(3))
    for start in range(0, len(real), CHUNK):
        a, b = real[start : start + CHUNK], synthesized[start : start + CHUNK]
        dot += (a * b).sum(0)
        real_square += a.square().sum(0)
        synthesized_square += b.square().sum(0)
    similarity = dot / (real_square * synthesized_square).sqrt().clamp_min(TINY)
    return 1 - F.interpolate(similarity[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def gated(distance: Tensor, confidence: Tensor, t: float, sure: Tensor | None = None) -> Tensor:
    """The distance where p <= t, and 1 - p elsewhere (the post-processing of Section 3.3).

    Args:
        distance: d of Eq. 9, float32 (H, W).
        confidence: p, float32 (H, W).
        t: the threshold. At 1, the distance is kept everywhere.
        sure: replaces 1 - p, float32 (H, W). Not published.

    Returns:
        float32 (H, W).
    """
    return torch.where(confidence > t, 1 - confidence if sure is None else sure, distance)


def product(distance: Tensor, confidence: Tensor) -> Tensor:
    """The product (1 - p) d, high where the segmenter is unsure and the synthesis differs. Not published.

    The product needs no threshold, whose right value would depend on how sure a segmenter is.

    Args:
        distance: d of Eq. 9, float32 (H, W).
        confidence: p, float32 (H, W).

    Returns:
        float32 (H, W).
    """
    return distance * (1 - confidence)


def reduced(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Remove the detail of an image that its synthesis cannot hold. Not published.

    The image is reduced to the size of the synthesis by area, and enlarged again as the synthesis is.

    Args:
        image: float32 (3, H, W).
        size: height and width of the synthesis.

    Returns:
        float32 (3, H, W).
    """
    return enlarged_nearest(
        F.interpolate(image[None], size, mode="area")[0], (image.shape[1], image.shape[2])
    )


def enlarged_nearest(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge x̂, float32 (3, h, w) to (3, *size), by nearest neighbour as in the published code."""
    return F.interpolate(image[None], size, mode="nearest")[0]
