"""Standardized max logit (Jung et al., "Standardized max logits", ICCV 2021).

In comments, ŷ is the predicted class, ẑ the maximum logit, and μ_c and σ_c the mean and the standard
deviation of ẑ over training pixels of predicted class c.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..benchmark.interfaces import Config, Context, FitOn, Item, Method, Needs, Pairs, Prediction, Scores
from ..benchmark.interfaces.errors import BenchError
from .building_blocks.layers_and_resizing import average_pool, convolve

FILE = "statistics.safetensors"
TINY = 1e-6
KERNEL = 7
SIGMA = 1.0


class StandardizedMaxLogitConfig(Config):
    """Hyper-parameters.

    Attributes:
        boundary: number of iterations of boundary suppression, which is also half the width, in pixels, of
            the boundary region in the first iteration. 0 for no suppression.
        dilation: distance between taps of the smoothing kernel, in pixels. 0 for no smoothing.
    """

    boundary: int = Field(4, ge=0)
    dilation: int = Field(6, ge=0)


class StandardizedMaxLogit(Method):
    """The score of a pixel is (μ_ŷ - ẑ) / σ_ŷ, its negated maximum logit, standardised by predicted class.

    Scores near boundaries of the prediction are then replaced by those further inside, and smoothed.
    """

    Config = StandardizedMaxLogitConfig
    config: StandardizedMaxLogitConfig
    _mean: Tensor
    _std: Tensor

    def needs(self) -> Needs:
        """The logits."""
        return Needs(logits=True)

    def fit_on(self) -> FitOn:
        """Logits of the final segmenter, whose statistics are learned."""
        return FitOn.in_fold(self.needs())

    def fit_key(self) -> dict[str, Any]:
        """Nothing: all hyper-parameters are read by `score` alone."""
        return {}

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Learn μ_c and σ_c of each predicted class.

        Raises:
            BenchError: there are no training pixels.
        """
        classes = len(context.info.classes)
        sums = torch.zeros(3, classes, dtype=torch.float64)
        for index in context.track(range(len(pairs)), "standardized-maxlogit: logits", len(pairs)):
            prediction = pairs[index].prediction
            assert prediction is not None
            sums += moments(prediction, classes).cpu()
        self._mean, self._std = statistics(sums)

    def save(self, folder: Path) -> None:
        """Write the statistics."""
        save_file({"mean": self._mean, "std": self._std}, folder / FILE)

    def load(self, folder: Path, context: Context) -> None:
        """Read the statistics."""
        learned = load_file(folder / FILE, context.device)
        self._mean, self._std = learned["mean"], learned["std"]

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Standardise, suppress boundaries, and smooth."""
        return [Scores(pixel=self._score_map(item.prediction).cpu().numpy()) for item in batch]

    @torch.no_grad()
    def _score_map(self, prediction: Prediction) -> Tensor:
        assert prediction.logits is not None
        highest, labels = prediction.logits.max(dim=0)
        score = (self._mean[labels] - highest) / self._std[labels]  # (μ_ŷ - ẑ) / σ_ŷ
        if self.config.boundary:
            score = boundaries_suppressed(score, labels, self.config.boundary)
        return smoothed(score, self.config.dilation) if self.config.dilation else score


def moments(prediction: Prediction, classes: int) -> Tensor:
    """The number, sum and sum of squares of ẑ over the pixels of each predicted class, float64 (3, L)."""
    assert prediction.logits is not None
    highest, labels = prediction.logits.flatten(1).max(dim=0)
    powers = (torch.ones_like(highest), highest, highest.square())
    return torch.stack([torch.bincount(labels, power.double(), classes) for power in powers])


def statistics(sums: Tensor) -> tuple[Tensor, Tensor]:
    """The mean μ_c and the standard deviation σ_c of each class, from sums over all images.

    Args:
        sums: float64 (3, L), the number, sum and sum of squares of ẑ for each class.

    Returns:
        float32 (L,) each. A class that is predicted nowhere gets the statistics of all pixels.

    Raises:
        BenchError: there are no pixels at all.
    """
    if not sums[0].sum():
        raise BenchError("standardized-maxlogit: there are no training pixels to compute statistics of")
    predicted = sums[0] > 0
    count, total, squares = torch.where(predicted, sums, sums.sum(dim=1, keepdim=True))
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt().clamp_min(TINY)
    return mean.float(), std.float()


def boundaries_suppressed(score: Tensor, labels: Tensor, width: int) -> Tensor:
    """Replace scores near boundaries of the prediction by scores from further inside (Section 3.3).

    The boundary region is first widened by `width` - 1 pixels, then by one pixel less in each iteration, down
    to none. In each iteration a pixel of the region takes the mean of its neighbours (3 x 3, in volumes 3 x 3
    x 3) outside the region, if there are any.

    Args:
        score: float32 (*spatial).
        labels: int64 (*spatial), the prediction.
        width: number of iterations, at least 1.

    Returns:
        float32 (*spatial).
    """
    masks = [boundaries(labels)]
    while len(masks) < width:
        masks.append(widened(masks[-1]))
    for mask in reversed(masks):
        outside = (~mask).to(score)
        both = F.pad(torch.stack([score * outside, outside])[:, None], (1, 1) * score.ndim, mode="replicate")
        total, count = average_pool[score.ndim](both, 3, stride=1)[:, 0]
        score = torch.where(mask & (count > 0), total / count, score)
    return score


def neighbours(values: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of views of a map (*spatial), one per axis: all pixels but the last, and all but the first."""
    for axis, length in enumerate(values.shape):
        yield values.narrow(axis, 0, length - 1), values.narrow(axis, 1, length - 1)


def boundaries(labels: Tensor) -> Tensor:
    """Whether the neighbour of a pixel along some axis has another label, bool (*spatial)."""
    mask = torch.zeros_like(labels, dtype=torch.bool)
    for (mask_before, mask_after), (before, after) in zip(neighbours(mask), neighbours(labels), strict=True):
        differ = before != after
        mask_before |= differ
        mask_after |= differ
    return mask


def widened(mask: Tensor) -> Tensor:
    """A mask, bool (*spatial), with the neighbours of its pixels along all axes added."""
    wider = mask.clone()
    for (wider_before, wider_after), (before, after) in zip(neighbours(wider), neighbours(mask), strict=True):
        wider_before |= after
        wider_after |= before
    return wider


def smoothed(score: Tensor, dilation: int) -> Tensor:
    """Smooth scores by a dilated Gaussian kernel of 7 taps per axis, with σ = 1 tap (Section 3.3).

    Args:
        score: float32 (*spatial). Beyond the border, the scores at the border are repeated.
        dilation: distance between taps, in pixels.

    Returns:
        float32 (*spatial).
    """
    taps = torch.arange(KERNEL, device=score.device) - KERNEL // 2
    kernel = torch.exp(-(taps**2) / (2 * SIGMA**2)).to(score)
    kernel = kernel / kernel.sum()
    reach = KERNEL // 2 * dilation
    smooth = F.pad(score[None, None], (reach, reach) * score.ndim, mode="replicate")
    for axis in reversed(range(score.ndim)):
        shape = [1] * (score.ndim + 2)
        shape[axis + 2] = KERNEL
        smooth = convolve[score.ndim](smooth, kernel.view(shape), dilation=dilation)
    return smooth[0, 0]
