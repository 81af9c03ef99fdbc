"""Linear regression of the quality of each class from a few numbers per image."""

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
"""Penalty on the squared weights of standardised features, in units of the loss of one image."""
FILE = "regression.safetensors"


@dataclass(frozen=True)
class Linear:
    """A linear map from features to qualities: quality = weights · features + bias.

    Attributes:
        weights: float64 (L, K).
        bias: float64 (L,).
    """

    weights: Array
    bias: Array

    def __call__(self, features: Array) -> Array:
        """The qualities (..., L) of features (..., K). Finite where the features are, not clamped."""
        quality: Array = features @ self.weights.T + self.bias
        return quality

    def save(self, folder: Path) -> None:
        """Write the map below `folder`."""
        save_file({name: torch.from_numpy(value) for name, value in vars(self).items()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Linear:
        """Read the map that `save` wrote."""
        return cls(**{name: value.numpy() for name, value in load_file(folder / FILE).items()})


def features_and_quality(
    pairs: Pairs,
    features_of: Callable[[Prediction], Array],
    absent: Literal["official", "paper"],
    title: str,
    context: Context,
) -> tuple[Array, Array]:
    """Features of the prediction of every training image, and the true quality of its classes.

    Args:
        pairs: N training samples with predictions.
        features_of: gives the features of one prediction, float64 (K,).
        absent: the classes that have a quality, see `per_class_quality`; that of the others is NaN.
        title: of the progress bar.
        context: the run.

    Returns:
        Features float64 (N, K) and qualities float64 (N, L).
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
    """The linear map with the least smooth L1 loss (quadratic up to an error of 1), summed over images.

    A small ridge makes the map unique. A class that counts in no image gets the mean quality of the others,
    or 0 if no class counts.

    Args:
        features: float64 (N, K), finite.
        quality: float64 (N, L), NaN where a class does not count.
        own: whether each class is predicted from the feature of its own number alone (K = L).
        background: whether the first class is no structure, as in volumes. The mean quality of the others
            then leaves the background out, since nearly all of it is right whatever becomes of the
            structures.

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
    structures = counted & (np.arange(quality.shape[1]) >= int(background))
    bias = np.full(quality.shape[1], quality[structures].mean() if structures.any() else 0.0)
    for number in range(quality.shape[1]):
        rows = counted[:, number]
        columns = [number] if own else list(range(features.shape[1]))
        if rows.any():
            solution = _fit_one_class(standardised[rows][:, columns], quality[rows, number])
            weights[number, columns], bias[number] = solution[:-1], solution[-1]
    weights /= scale
    return Linear(weights, bias - weights @ mean)


def _fit_one_class(features: Array, target: Array) -> Array:
    """The weights of standardised features (N, K) and, last, the bias: float64 (K + 1,)."""
    count, width = features.shape
    design = np.hstack([features, np.ones((count, 1))])
    start = np.append(np.zeros(width), target.mean())
    penalty = np.sqrt(RIDGE) * np.eye(width, width + 1)
    # scipy's Huber loss is smooth L1. It applies to the ridge too, which changes nothing: the optimal weights
    # are far below 1, where smooth L1 is quadratic.
    optimum = least_squares(
        lambda parameters: np.append(design @ parameters - target, penalty @ parameters),
        start,
        jac=lambda parameters: np.vstack([design, penalty]),
        loss="huber",
    )
    solution: Array = optimum.x
    return solution
