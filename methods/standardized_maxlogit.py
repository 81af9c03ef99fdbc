"""Standardized max logit (Jung et al., "Standardized max logits", ICCV 2021)."""

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
from .building_blocks.dimensions import average_pool, convolve

FILE = "statistics.safetensors"
TINY = 1e-6
KERNEL = 7
SIGMA = 1.0


class StandardizedMaxLogitConfig(Config):
    """Hyper-parameters.

    Attributes:
        boundary: iterations of boundary suppression, and half the width of what it changes first, in pixels;
            0 for none.
        dilation: distance of the smoothing kernel's taps, in pixels; 0 for no smoothing.
    """

    boundary: int = Field(4, ge=0)
    dilation: int = Field(6, ge=0)


class StandardizedMaxLogit(Method):
    """Score a pixel by its negated maximum logit, standardised over training pixels of its class."""

    Config = StandardizedMaxLogitConfig
    config: StandardizedMaxLogitConfig
    _mean: Tensor
    _std: Tensor

    def needs(self) -> Needs:
        """The logits."""
        return Needs(logits=True)

    def fit_on(self) -> FitOn:
        """The statistics are of the final segmenter's logits."""
        return FitOn.in_fold(self.needs())

    def fit_key(self) -> dict[str, Any]:
        """What is done at boundaries is done when scoring."""
        return {}

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Mean and deviation of the maximum logit of each predicted class."""
        classes = len(context.info.classes)
        sums = torch.zeros(3, classes, dtype=torch.float64)
        for index in context.track(range(len(pairs)), "standardized-maxlogit: logits", len(pairs)):
            prediction = pairs[index].prediction
            assert prediction is not None
            sums += moments(prediction, classes).cpu()
        self._mean, self._std = statistics(sums)

    def save(self, folder: Path) -> None:
        """The statistics."""
        save_file({"mean": self._mean, "std": self._std}, folder / FILE)

    def load(self, folder: Path, context: Context) -> None:
        """Read the statistics."""
        found = load_file(folder / FILE, context.device)
        self._mean, self._std = found["mean"], found["std"]

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Standardise, and mend what boundaries do."""
        return [Scores(pixel=self._one(item.prediction).cpu().numpy()) for item in batch]

    @torch.no_grad()
    def _one(self, prediction: Prediction) -> Tensor:
        assert prediction.logits is not None
        highest, labels = prediction.logits.max(dim=0)
        score = (self._mean[labels] - highest) / self._std[labels]
        if self.config.boundary:
            score = suppressed(score, labels, self.config.boundary)
        return smoothed(score, self.config.dilation) if self.config.dilation else score


def moments(prediction: Prediction, classes: int) -> Tensor:
    """Number, sum and sum of squares of the maximum logit of each predicted class, float64 (3, L)."""
    assert prediction.logits is not None
    highest, labels = prediction.logits.flatten(1).max(dim=0)
    powers = (torch.ones_like(highest), highest, highest.square())
    return torch.stack([torch.bincount(labels, each.double(), classes) for each in powers])


def statistics(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each class, float32 (L,); of all pixels for a class without any.

    Args:
        sums: float64 (3, L), of all images.

    Raises:
        BenchError: there are no pixels at all.
    """
    if not sums[0].sum():
        raise BenchError("standardized-maxlogit: there are no training pixels to take statistics of")
    known = sums[0] > 0
    count, total, squares = torch.where(known, sums, sums.sum(dim=1, keepdim=True))
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt().clamp_min(TINY)
    return mean.float(), std.float()


def suppressed(score: Tensor, labels: Tensor, width: int) -> Tensor:
    """Iterative boundary suppression: scores near boundaries of the prediction come from further inside.

    Boundaries are widened by `width` - 1 pixels, then by one less, and so on to none. Each time a pixel in
    them takes the mean of its neighbours (3 x 3, in volumes 3 x 3 x 3) outside them, where it has any.

    Args:
        score: float32 (*spatial).
        labels: int64 (*spatial), the prediction.
        width: number of iterations, at least 1.
    """
    masks = [boundaries(labels)]
    while len(masks) < width:
        masks.append(widened(masks[-1]))
    for mask in reversed(masks):
        kept = (~mask).to(score)
        both = F.pad(torch.stack([score * kept, kept])[:, None], (1, 1) * score.ndim, mode="replicate")
        total, count = average_pool[score.ndim](both, 3, stride=1)[:, 0]
        score = torch.where(mask & (count > 0), total / count, score)
    return score


def neighbours(values: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Along each axis all pixels but the last, and all but the first: views of (*spatial)."""
    for axis, length in enumerate(values.shape):
        yield values.narrow(axis, 0, length - 1), values.narrow(axis, 1, length - 1)


def boundaries(labels: Tensor) -> Tensor:
    """Whether a pixel's neighbour along some axis has another label, bool (*spatial)."""
    found = torch.zeros_like(labels, dtype=torch.bool)
    for (before, after), (one, other) in zip(neighbours(found), neighbours(labels), strict=True):
        differ = one != other
        before |= differ
        after |= differ
    return found


def widened(mask: Tensor) -> Tensor:
    """The mask, bool (*spatial), and the neighbours of each of its pixels along the axes."""
    found = mask.clone()
    for (before, after), (one, other) in zip(neighbours(found), neighbours(mask), strict=True):
        before |= other
        after |= one
    return found


def smoothed(score: Tensor, dilation: int) -> Tensor:
    """Gaussian smoothing by a kernel of 7 taps an axis, σ = 1 tap, whose taps are `dilation` pixels apart.

    float32 (*spatial); borders are repeated outwards.
    """
    taps = torch.arange(KERNEL, device=score.device) - KERNEL // 2
    kernel = torch.exp(-(taps**2) / (2 * SIGMA**2)).to(score)
    kernel = kernel / kernel.sum()
    reach = KERNEL // 2 * dilation
    found = F.pad(score[None, None], (reach, reach) * score.ndim, mode="replicate")
    for axis in reversed(range(score.ndim)):
        shape = [1] * (score.ndim + 2)
        shape[axis + 2] = KERNEL
        found = convolve[score.ndim](found, kernel.view(shape), dilation=dilation)
    return found[0, 0]
