"""A dense CRF on a softmax map whose kernel is a blur: mean field by two matrix products, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from .dense_crf import SMALLEST

NARROWEST = 10.0
"""The smallest deviation in probability that is as good as none: no two softmaxes of it differ in the kernel
by more than 1 %, since |p(i) - p(j)|² is at most 2 and 1 - exp(-2 / (2 · 10²)) < 0.01."""


@torch.no_grad()
def blurred(probabilities: Tensor, iterations: int, spatial: float, compatibility: float) -> Tensor:
    """Mean-field inference as `refined`, its kernel without the term of the probabilities.

    What is left, exp(-|x_i - x_j|² / 2 s²), is separable: every message is exact, of all pixels to all.

    Args:
        probabilities: float32 (L, H, W).
        iterations, spatial, compatibility: as `refined`.

    Returns:
        float32 (L, H, W) on the same device, the refined probabilities.
    """
    kernels = [_gaussian(length, spatial).to(probabilities) for length in probabilities.shape[1:]]
    # n_i = Σ_j k(i, j) is a product too, and its root goes to either side.
    rows, columns = (kernel / (root := kernel.sum(dim=1).sqrt())[:, None] / root for kernel in kernels)
    unary = probabilities.clamp(SMALLEST, 1).log()
    found = unary.softmax(dim=0)
    for _ in range(iterations):
        found = (unary + compatibility * (rows @ found @ columns)).softmax(dim=0)
    return found


def _gaussian(length: int, spatial: float) -> Tensor:
    """float64 (length, length), exp(-(i - j)² / 2 s²)."""
    places = torch.arange(length, dtype=torch.float64) / spatial
    return torch.exp(-(places[:, None] - places).square() / 2)
