"""The segmentation of a batch of samples, with the other members of the segmenter's ensemble."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..data.loading import to_batch
from ..interfaces import Item, Needs, Prediction, Sample, Segmenter


def segment_batch(
    segmenters: Sequence[Segmenter], samples: Sequence[Sample], needs: Needs, device: str, seed: int
) -> list[Item]:
    """What methods are given of samples of one size: views without ground truth, and predictions.

    Args:
        segmenters: the segmenter itself first, then the other members of its ensemble.
        needs: what to compute. Where an ensemble is needed, `Prediction.members` holds the softmax of every
            member, (M, L, *spatial).
        device: of the segmenters.
        seed: the run's; seeds stochastic passes together with a sample's key.
    """
    first, *others = segmenters
    images, keys = to_batch(samples, device), [sample.key for sample in samples]
    predictions: list[Prediction] = first.predict(images, keys, needs.of_one, seed)
    if needs.ensemble:
        more = [model.predict(images, keys, Needs(probabilities=True), seed) for model in others]
        for of_image in zip(predictions, *more, strict=True):
            softmaxes = [p.probabilities for p in of_image if p.probabilities is not None]
            of_image[0].members = torch.stack(softmaxes)
    return [Item(sample.view, p) for sample, p in zip(samples, predictions, strict=True)]
