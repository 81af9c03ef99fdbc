"""A dense CRF on a softmax map, by pydensecrf2. Imports no torch: worker processes start with this file."""

from __future__ import annotations

import numpy as np

from ...benchmark.interfaces import Float32

SMALLEST = 1e-5
"""Smaller probabilities count as this one, so that -log is finite."""


def refined(
    probabilities: Float32, iterations: int, spatial: float, channel: float, compatibility: float
) -> Float32:
    """Refine a softmax map by mean-field inference, with the map itself as the image.

    The CRF is that of Krähenbühl and Koltun, NeurIPS 2011: the unary energy is -log of the softmax, and the
    pairwise energy one bilateral kernel, symmetrically normalised, with the Potts model.

    Args:
        probabilities: float32 (L, H, W).
        iterations: number of mean-field iterations.
        spatial: standard deviation of the kernel in pixels.
        channel: standard deviation of the kernel in probability.
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
    marginals: Float32 = np.array(crf.inference(iterations), np.float32).reshape(probabilities.shape)
    return marginals
