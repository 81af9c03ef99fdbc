"""Uncertainty over stochastic passes: maps of it, and one number per class to regress a quality from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

import torch
from torch import Tensor

from ...benchmark.interfaces import MonteCarlo
from ...benchmark.interfaces.errors import BenchError
from .regression import Array
from .structures import Aggregator, aggregated

NO_LOGITS = "mcdropout: the passes of this segmenter have no logits: --set mcdropout.average=probabilities"


def mean_prediction(passes: MonteCarlo, average: str) -> Tensor:
    """The mean prediction over the passes, float32 (L, *spatial).

    Args:
        passes: statistics over the passes.
        average: "probabilities" for the mean of the softmax, "logits" for the softmax of the mean logits.

    Raises:
        BenchError: logits are to be averaged, and the passes have none.
    """
    if average == "probabilities":
        return passes.mean
    if passes.logits is None:
        raise BenchError(NO_LOGITS)
    return torch.softmax(passes.logits, dim=0)


def class_entropies(mean: Tensor, labels: Tensor, aggregator: Aggregator) -> Array:
    """The mean entropy, in nats, of the question whether a pixel belongs to a class, for each class.

    Args:
        mean: float32 (L, *spatial), the mean prediction.
        labels: int64 (*spatial), the prediction without dropout.
        aggregator: "structure" for the mean over the pixels of the predicted class, NaN if the class is not
            predicted; "image" for the mean over all pixels, whether the class is predicted or not.

    Returns:
        float64 (L,).
    """
    # H(p) + H(1 - p) of the class's probability p
    entropies = torch.special.entr(mean) + torch.special.entr(1 - mean)
    if aggregator == "structure":
        return aggregated(entropies.gather(0, labels[None])[0], labels, len(mean), aggregator)
    means: Array = entropies.double().flatten(1).mean(dim=1).cpu().numpy()
    return means


def predictive_entropy(passes: MonteCarlo) -> Tensor:
    """The entropy of the mean softmax, in nats, float32 (*spatial)."""
    entropy: Tensor = torch.special.entr(passes.mean).sum(0)
    return entropy


def predictive_variance(passes: MonteCarlo, labels: Tensor) -> Tensor:
    """The variance of the predicted class (Kwon et al., 2020, Eq. 4).

    Args:
        passes: statistics over the passes.
        labels: int64 (*spatial), the prediction without dropout.

    Returns:
        float32 (*spatial), the sum of the aleatoric and the epistemic variance.
    """
    # p_t is the class's probability in pass t, p̄ its mean over the T passes.
    aleatoric = passes.mean - passes.square  # 1/T Σ_t p_t (1 - p_t)
    epistemic = passes.square - passes.mean**2  # 1/T Σ_t (p_t - p̄)²
    return (aleatoric + epistemic).gather(0, labels[None])[0]


UNCERTAINTY_MAPS: Mapping[str, Callable[[MonteCarlo, Tensor], Tensor]] = {
    "entropy": lambda passes, labels: predictive_entropy(passes),
    "variance": predictive_variance,
}
"""Name -> the function that gives the map, float32 (*spatial), from the passes and the predicted labels."""


def _map_mean(name: str, aggregator: Aggregator, passes: MonteCarlo, labels: Tensor) -> Array:
    return aggregated(UNCERTAINTY_MAPS[name](passes, labels), labels, len(passes.mean), aggregator)


def _mean_entropy(average: str, aggregator: Aggregator, passes: MonteCarlo, labels: Tensor) -> Array:
    return class_entropies(mean_prediction(passes, average), labels, aggregator)


CLASS_NUMBERS: Mapping[str, Callable[[MonteCarlo, Tensor], Array]] = {
    f"{name} of {aggregator}": partial(function, name, aggregator)
    for names, function in ((UNCERTAINTY_MAPS, _map_mean), (("probabilities", "logits"), _mean_entropy))
    for name in names
    for aggregator in get_args(Aggregator)
}
"""Name -> the function that gives one number per class, float64 (L,), from passes and predicted labels.

A number is the mean of a map ("entropy", "variance") or of the class entropies of the averaged
"probabilities" or "logits". Only passes that have logits give the last.
"""
