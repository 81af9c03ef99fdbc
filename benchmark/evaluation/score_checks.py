"""Checks of what a method returned, before the scores are compared with the ground truth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..interfaces import Context, Float32, Item, Method, Sample, Scores
from ..interfaces.errors import BenchError
from ..metrics.ordering import Ordering


def method_scores(name: str, method: Method, items: Sequence[Item], context: Context) -> list[Scores]:
    """Return a method's scores for a batch of images, one `Scores` an image, in order.

    Args:
        name: of the method, for the message.

    Raises:
        BenchError: the method gives something else than a list of `Scores`, or another number of them. Other
            exceptions of the method are not caught.
    """
    answers: object = method.score(items, context)
    if not isinstance(answers, list | tuple):
        raise BenchError(f"{name}: score must return a list of Scores, got {type(answers).__name__}")
    scores: list[Scores] = []
    for answer in answers:
        if not isinstance(answer, Scores):
            raise BenchError(
                f"{name}: score must return a list of Scores, got a list of {type(answer).__name__}"
            )
        scores.append(answer)
    if len(scores) != len(items):
        raise BenchError(f"{name} gave {len(scores)} scores for {len(items)} images")
    return scores


def pixel_scores(sample: Sample, scores: Scores) -> Float32:
    """Return the score map of a sample, float32 (*spatial); infinite scores are allowed.

    Raises:
        BenchError: the map is missing, has another shape than the ground truth, or holds NaN on a valid
            pixel.
    """
    score_map, expected = scores.pixel, sample.truth.valid.shape
    if score_map is None:
        raise BenchError(f"sample '{sample.key}': the method gave no score map")
    if score_map.shape != expected:
        raise BenchError(
            f"sample '{sample.key}': the score map has shape {score_map.shape}, the label {expected}; "
            "resize the map to the shape of the label"
        )
    if np.isnan(score_map[sample.truth.valid]).any():
        raise BenchError(
            f"sample '{sample.key}': the score map holds NaN; give every pixel that is scored a number, "
            "which may be infinite"
        )
    return score_map


def pixel_confidence(sample: Sample, confidence: Float32) -> Float32:
    """Return the estimated probabilities that predicted classes are right, float32 (*spatial) in [0, 1].

    Raises:
        BenchError: the map has another shape than the ground truth, or a value on a valid pixel is no
            probability.
    """
    expected = sample.truth.valid.shape
    if confidence.shape != expected:
        raise BenchError(
            f"sample '{sample.key}': the confidence has shape {confidence.shape}, the label {expected}; "
            "resize the confidence to the shape of the label"
        )
    valid_values = confidence[sample.truth.valid]
    if not ((valid_values >= 0) & (valid_values <= 1)).all():
        raise BenchError(
            f"sample '{sample.key}': the confidence is no probability: a value is outside [0, 1]"
        )
    return confidence


def predicted_quality(sample: Sample, scores: Scores, classes: int) -> npt.NDArray[np.float64]:
    """Return the predicted quality of each class, float64 (classes,).

    Raises:
        BenchError: the quality is missing, has another shape, or is not finite.
    """
    quality = scores.quality
    if quality is None:
        returned = "no quality"
    elif np.shape(quality) != (classes,):
        returned = f"an array of shape {np.shape(quality)}"
    elif not np.isfinite(quality).all():
        returned = "numbers that are not finite"
    else:
        return np.asarray(quality, np.float64)
    raise BenchError(
        f"sample '{sample.key}': the method must predict a finite IoU (in volumes Dice) for each "
        f"of {classes} classes, but returned {returned}"
    )


class ScoreRange:
    """The lowest and the highest score of a data set: if all scores are equal, there is no ranking."""

    def __init__(self) -> None:
        self._lowest, self._highest = math.inf, -math.inf

    def update(self, ordering: Ordering) -> None:
        """Add the scores of an image."""
        self._lowest = min(self._lowest, ordering.low)
        self._highest = max(self._highest, ordering.high)

    def check(self) -> None:
        """Refuse scores that are all equal.

        Raises:
            BenchError: all scores are equal.
        """
        if self._lowest == self._highest:
            raise BenchError(
                f"all scores of all images are {self._lowest}, so nothing is ranked: the method has learned "
                "nothing, or its score maps were written wrongly"
            )
