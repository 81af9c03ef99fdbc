"""A dense CRF on a softmax map whose kernel is a blur: mean field by two matrix products, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from .dense_crf import SMALLEST

NARROWEST = 10.0
"""The smallest standard deviation in probability that makes no difference, so that it may be left out.

With it, no two softmaxes differ in the kernel by more than 1 %: |p(i) - p(j)|² is at most 2, and
1 - exp(-2 / (2 · 10²)) < 0.01.
"""


@torch.no_grad()
def refined_by_blur(probabilities: Tensor, iterations: int, spatial: float, compatibility: float) -> Tensor:
    """Refine a softmax map by mean-field inference as `refined` does, without the kernel's probability term.

    The remaining kernel exp(-|x_i - x_j|² / 2 s²) is separable, so that the messages between all pixels are
    exact.

    Args:
        probabilities: float32 (L, H, W).
        iterations: number of mean-field iterations.
        spatial: s, the standard deviation of the kernel in pixels.
        compatibility: weight of the kernel.

    Returns:
        float32 (L, H, W) on the same device, the refined probabilities.
    """
    kernels = [_gaussian(length, spatial).to(probabilities) for length in probabilities.shape[1:]]
    # Symmetric normalisation by n_i = Σ_j k(i, j), which is a product over axes as well.
    rows, columns = (kernel / (root := kernel.sum(dim=1).sqrt())[:, None] / root for kernel in kernels)
    unary = probabilities.clamp(SMALLEST, 1).log()
    marginals = unary.softmax(dim=0)
    for _ in range(iterations):
        marginals = (unary + compatibility * (rows @ marginals @ columns)).softmax(dim=0)
    return marginals


def _gaussian(length: int, spatial: float) -> Tensor:
    """exp(-(i - j)² / 2 s²), float64 (length, length)."""
    places = torch.arange(length, dtype=torch.float64) / spatial
    return torch.exp(-(places[:, None] - places).square() / 2)
