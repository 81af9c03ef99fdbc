"""Eq. 9: how far the segmenter's features of an image and of its synthesis are apart, and the gate by MSP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 256
"""Channels that are compared at a time: 4096 of a large image would not fit twice."""
TINY = 1e-12


def cosine_distance(real: Tensor, synthesized: Tensor, size: tuple[int, int]) -> Tensor:
    """Eq. 9, 1 - <f(x) / |f(x)|, f(x̂) / |f(x̂)|>, brought to the image's size.

    Args:
        real, synthesized: float32 (C, h, w), features of x and of x̂.
        size: height and width of the result.

    Returns:
        float32 (*size), 0 where the features agree, 2 where they are opposed.
    """
    dot, one, other = (torch.zeros_like(real[0]) for _ in range(3))
    for start in range(0, len(real), CHUNK):
        a, b = real[start : start + CHUNK], synthesized[start : start + CHUNK]
        dot += (a * b).sum(0)
        one += a.square().sum(0)
        other += b.square().sum(0)
    similarity = dot / (one * other).sqrt().clamp_min(TINY)
    return 1 - F.interpolate(similarity[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def gated(distance: Tensor, confidence: Tensor, t: float) -> Tensor:
    """The post-processing of Section 3.3: where p > t, 1 - p in place of the distance.

    Args:
        distance: float32 (H, W).
        confidence: float32 (H, W), p, the maximum softmax probability.
        t: the threshold; at 1 the distance stands everywhere.
    """
    return torch.where(confidence > t, 1 - confidence, distance)
