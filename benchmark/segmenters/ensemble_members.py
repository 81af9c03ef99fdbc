"""Predictions of a segmenter, with the probabilities of the other members of its ensemble."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..interfaces import Needs, Prediction, Segmenter


def predict_with_members(
    segmenters: Sequence[Segmenter], images: Tensor, keys: Sequence[str], needs: Needs, seed: int
) -> list[Prediction]:
    """Segment images of one size.

    Args:
        segmenters: the segmenter itself first, then the other members of its ensemble.
        images: float32 (B, C, *spatial), on the segmenters' device.
        keys: the samples' keys, which seed stochastic passes.
        needs: what to compute. Where an ensemble is needed, `Prediction.members` holds the softmax of every
            member, (M, L, *spatial).
        seed: the run's.
    """
    first, *others = segmenters
    predictions = first.predict(images, keys, needs.of_one, seed)
    if needs.ensemble:
        more = [model.predict(images, keys, Needs(probabilities=True), seed) for model in others]
        for of_image in zip(predictions, *more, strict=True):
            softmaxes = [p.probabilities for p in of_image if p.probabilities is not None]
            of_image[0].members = torch.stack(softmaxes)
    return predictions
