"""Metrics of pixel-level failure detection."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .ordering import order
from .ranking import rank, rank_success


class FailureMetrics(NamedTuple):
    """Fractions; errors are the positive class except in `ap_success`. NaN where undefined."""

    ap_error: float
    ap_success: float
    auroc: float
    fpr95: float


def failure_metrics(
    confidence: ArrayLike, prediction: ArrayLike, label: ArrayLike, void: int
) -> FailureMetrics:
    """Score how well low confidence finds the pixels that the segmenter got wrong (Eq. 7).

    AP-Error, AP-Success and AUROC pool all scored pixels of all images; FPR95 is the mean over images, those
    without an error or without a correct pixel skipped. All pixels are held at once; for large sets
    `RankingState` streams.

    Args:
        confidence: (N, *spatial), higher = more likely correct. Errors are ranked by its negation, since
            1 - confidence would create ties in float32.
        prediction: (N, *spatial) class of each pixel.
        label: (N, *spatial) true class; pixels that equal `void` are not scored.
        void: the label of unlabelled pixels.

    Raises:
        ValueError: the shapes differ.

    Source: SynthCP, Section 4.1 (Table 1, pixel level).
    """
    scores = np.asarray(confidence)
    if scores.dtype.kind in "bu" or scores.dtype.kind == "i":
        scores = scores.astype(np.float64)
    predicted, truth = np.asarray(prediction), np.asarray(label)
    if not scores.shape == predicted.shape == truth.shape:
        raise ValueError(
            f"shapes differ: confidence {scores.shape}, prediction {predicted.shape}, label {truth.shape}"
        )
    scores = -scores
    error, valid = predicted != truth, truth != void
    pooled = order(scores, error, valid)
    images = (
        [order(*image) for image in zip(scores, error, valid, strict=True)] if scores.ndim > 1 else [pooled]
    )
    rates = [rank(image).fpr95 for image in images if image.positives and image.negatives]
    ranking = rank(pooled)
    fpr95 = math.fsum(rates) / len(rates) if rates else float("nan")
    return FailureMetrics(ranking.ap, rank_success(pooled), ranking.auroc, fpr95)
