"""Metrics of pixel-level failure detection of a test set that is held at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .ranking_state import RankingState


class FailureMetrics(NamedTuple):
    """Metrics of pixel-level failure detection, fractions; NaN where undefined.

    Wrong pixels are the positive class, except in `ap_success`, whose positive class is the right pixels.
    """

    ap_error: float
    ap_success: float
    auroc: float
    fpr95: float


def failure_metrics(
    confidence: ArrayLike, prediction: ArrayLike, label: ArrayLike, void: int
) -> FailureMetrics:
    """Score how well low confidence finds the pixels that the segmenter got wrong (Eq. 7).

    AP-Error, AP-Success and AUROC pool all scored pixels of all images. FPR95 is the mean over images; images
    without an error or without a correct pixel are skipped. All pixels are held in memory at once; for large
    test sets fill a `RankingState` image by image.

    Args:
        confidence: (N, *spatial), or (pixels,) of a single image; higher = more likely correct. Errors are
            ranked by the negated confidence, since 1 - confidence would create ties in float32.
        prediction: the same shape, the predicted class of each pixel.
        label: the same shape, the true class of each pixel; pixels that equal `void` are not scored.
        void: the label of unlabelled pixels.

    Raises:
        ValueError: the shapes differ.

    Source: SynthCP, Section 4.1 (Table 1, pixel level).
    """
    scores = np.asarray(confidence)
    if scores.dtype.kind in "biu":
        scores = scores.astype(np.float64)  # unsigned integers cannot be negated
    predicted, truth = np.asarray(prediction), np.asarray(label)
    if not scores.shape == predicted.shape == truth.shape:
        raise ValueError(
            f"shapes differ: confidence {scores.shape}, prediction {predicted.shape}, label {truth.shape}"
        )
    if scores.ndim < 2:
        scores, predicted, truth = (array.reshape(1, -1) for array in (scores, predicted, truth))
    state = RankingState(success=True, pooling="exact")
    for number, (score, classes, labels) in enumerate(zip(-scores, predicted, truth, strict=True)):
        state.update(str(number), score, classes != labels, labels != void)
    means, pooled = state.compute()
    return FailureMetrics(pooled.value.ap, pooled.value.ap_success, pooled.value.auroc, means.value.fpr95)
