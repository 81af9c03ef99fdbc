"""The slice of a volume that is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..interfaces import DatasetInfo, Float32, Labels, Sample, Scores, Truth


def shown_slice(
    sample: Sample, labels: Labels, scores: Mapping[str, Scores], info: DatasetInfo
) -> tuple[Sample, Labels, Mapping[str, Scores]]:
    """A sample, its predicted labels and its scores, cut to one slice of a volume; a photograph as it is.

    Args:
        sample: with an image (C, *spatial).
        labels: int64 (*spatial).
        scores: label of a method -> its scores.
        info: of the data set.

    Returns:
        The same with the spatial shape (H, W). The image of a volume becomes RGB.
    """
    if info.ndim == 2:
        return sample, labels, scores
    at, depth = busiest_slice(labels, info), len(labels)
    truth = sample.truth
    anomaly = None if truth.anomaly is None else truth.anomaly[at]
    cut_truth = Truth(truth.label[at], anomaly, truth.valid[at])
    image = as_grey(sample.image)[:, at]
    cut_scores = {
        name: replace(
            method_scores,
            pixel=None if method_scores.pixel is None else method_scores.pixel[at],
            # A method's pictures may have fewer slices than the volume.
            shown={
                title: picture[:, at * picture.shape[1] // depth]
                for title, picture in method_scores.shown.items()
            },
        )
        for name, method_scores in scores.items()
    }
    return Sample(f"{sample.key}, slice {at}", lambda: image, lambda: cut_truth), labels[at], cut_scores


def busiest_slice(labels: Labels, info: DatasetInfo) -> int:
    """The slice with the most voxels of a scored class, else with the most structure, else the middle one."""
    scored = [number for number, cls in enumerate(info.classes) if cls in info.scored]
    for structure in (np.isin(labels, scored), labels > 0):
        sizes = structure.sum(axis=(1, 2))
        if sizes.any():
            return int(sizes.argmax())
    return len(labels) // 2


def as_grey(image: Float32) -> Float32:
    """The first channel of a volume as RGB in [0, 1]; a channel that leaves this range is stretched to it."""
    grey = image[:1]
    if grey.min() < 0 or grey.max() > 1:
        low, high = np.percentile(grey, (1, 99))
        grey = np.clip((grey - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    return np.repeat(grey, 3, axis=0)
