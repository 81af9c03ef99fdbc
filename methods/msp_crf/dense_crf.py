"""A dense CRF on a softmax map, by pydensecrf2. Imports no torch: worker processes start with it."""

from __future__ import annotations

import numpy as np

from ...benchmark.interfaces import Float32

SMALLEST = 1e-5
"""Probabilities below it count as it, for a finite -log."""


def refined(
    probabilities: Float32, iterations: int, spatial: float, channel: float, compatibility: float
) -> Float32:
    """Mean-field inference (Krähenbühl and Koltun, NeurIPS 2011) with the softmax itself as the image.

    Unary energy -log of the softmax; one bilateral kernel, symmetrically normalised, and the Potts model.

    Args:
        probabilities: float32 (L, H, W).
        iterations: of mean field.
        spatial: deviation of the kernel in pixels.
        channel: deviation of the kernel in probability.
        compatibility: weight of the kernel.

    Returns:
        float32 (L, H, W), the refined probabilities.
    """
    from pydensecrf.densecrf import DenseCRF2D
    from pydensecrf.utils import create_pairwise_bilateral, unary_from_softmax

    classes, height, width = probabilities.shape
    crf = DenseCRF2D(width, height, classes)
    crf.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(probabilities, clip=SMALLEST)))
    kernel = create_pairwise_bilateral((spatial, spatial), channel, probabilities, chdim=0)
    crf.addPairwiseEnergy(kernel, compat=compatibility)
    found: Float32 = np.array(crf.inference(iterations), np.float32).reshape(probabilities.shape)
    return found
