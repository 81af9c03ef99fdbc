"""The ground truth of pixel-level tasks: which pixels a score map should rank high, and which are scored."""

from __future__ import annotations

from typing import NamedTuple

from ..interfaces import VOID, Labels, Mask, Sample
from ..interfaces.errors import BenchError


class PixelTruth(NamedTuple):
    """The ground truth of one image. Each mask is bool (*spatial).

    Attributes:
        positive: true on pixels that should have high scores; without meaning where not `valid`.
        valid: true on pixels that are scored.
    """

    positive: Mask
    valid: Mask


def anomalous_pixels(sample: Sample) -> PixelTruth:
    """The anomalous pixels of a sample are the positive ones; its valid pixels are scored.

    Raises:
        BenchError: the sample has no anomaly mask.
    """
    truth = sample.truth
    if truth.anomaly is None:
        raise BenchError(
            f"sample '{sample.key}' has no anomaly mask, so anomaly segmentation cannot be scored"
        )
    return PixelTruth(truth.anomaly, truth.valid)


def wrong_pixels(sample: Sample, prediction: Labels) -> PixelTruth:
    """The pixels with a wrong predicted class are the positive ones (SynthCP, Eq. 7); void is not scored.

    Args:
        sample: an image or volume with its ground truth.
        prediction: int64 (*spatial), the segmenter's predicted classes.
    """
    label = sample.truth.label
    return PixelTruth(prediction != label, sample.truth.valid & (label != VOID))
