"""Linear maps from a few numbers an image to its quality, for predictors that learn nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from scipy.optimize import least_squares

from ...benchmark.interfaces import VOID, Context, Pairs, Prediction
from ...benchmark.interfaces.errors import BenchError
from ...benchmark.metrics import per_class_quality

Array = npt.NDArray[np.float64]

RIDGE = 1.0
"""Penalty on the squared weights of standardised features, in the unit of one image's loss."""
FILE = "regression.safetensors"


@dataclass(frozen=True)
class Linear:
    """quality = weights · features + bias. `weights` (L, K), `bias` (L,)."""

    weights: Array
    bias: Array

    def __call__(self, features: Array) -> Array:
        """(..., K) to (..., L); finite where the features are, not clamped."""
        found: Array = features @ self.weights.T + self.bias
        return found

    def save(self, folder: Path) -> None:
        """Write it below `folder`."""
        save_file({name: torch.from_numpy(value) for name, value in vars(self).items()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Linear:
        """Read what `save` wrote."""
        return cls(**{name: value.numpy() for name, value in load_file(folder / FILE).items()})


def observed(
    pairs: Pairs,
    features_of: Callable[[Prediction], Array],
    absent: Literal["official", "paper"],
    title: str,
    context: Context,
) -> tuple[Array, Array]:
    """What there is to regress from and to: features (N, K) of every pair's prediction, its quality (N, L).

    Args:
        absent: which classes have a quality, see `per_class_quality`; the others are NaN.
        title: of the progress bar.
    """
    features, quality = [], []
    for index in context.track(range(len(pairs)), title, len(pairs)):
        pair = pairs[index]
        prediction = pair.prediction
        assert prediction is not None
        features.append(features_of(prediction))
        labels, truth = prediction.labels.cpu().numpy(), pair.sample.truth.scored
        quality.append(per_class_quality(labels, truth, len(context.info.classes), VOID, absent=absent))
    return np.array(features), np.array(quality)


def fit_linear(features: Array, quality: Array, own: bool = False, background: bool = False) -> Linear:
    """The map with the least smooth L1 loss (quadratic up to an error of 1), summed over images.

    A small ridge makes it unique. A class that counts in no image gets the mean quality of the others, and 0
    where there are none.

    Args:
        features: (N, K), finite.
        quality: (N, L), NaN where a class does not count.
        own: each class is predicted from the feature of its own number alone (K = L).
        background: whether the first class is no structure, as in volumes. It has no part in that mean:
            nearly all of it is right, whatever becomes of the structures.

    Raises:
        BenchError: no class counts in any image.
    """
    counted = ~np.isnan(quality)
    if not counted.any():
        raise BenchError("no class has a quality in any training image, so nothing can be regressed")
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    standardised = (features - mean) / scale
    weights = np.zeros((quality.shape[1], features.shape[1]))
    others = counted & (np.arange(quality.shape[1]) >= int(background))
    bias = np.full(quality.shape[1], quality[others].mean() if others.any() else 0.0)
    for number in range(quality.shape[1]):
        rows = counted[:, number]
        used = [number] if own else list(range(features.shape[1]))
        if rows.any():
            found = _smooth_l1(standardised[rows][:, used], quality[rows, number])
            weights[number, used], bias[number] = found[:-1], found[-1]
    weights /= scale
    return Linear(weights, bias - weights @ mean)


def _smooth_l1(features: Array, target: Array) -> Array:
    """Weights and, last, bias."""
    count, width = features.shape
    design = np.hstack([features, np.ones((count, 1))])
    start = np.append(np.zeros(width), target.mean())
    penalty = np.sqrt(RIDGE) * np.eye(width, width + 1)
    # scipy's Huber loss is smooth L1, but it would apply to the ridge too: that is minimised by weights far
    # below 1, where both are quadratic.
    found = least_squares(
        lambda parameters: np.append(design @ parameters - target, penalty @ parameters),
        start,
        jac=lambda parameters: np.vstack([design, penalty]),
        loss="huber",
    )
    solution: Array = found.x
    return solution
