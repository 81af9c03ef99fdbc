"""Monte-Carlo dropout (Gal and Ghahramani, ICML 2016)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ..benchmark.interfaces import (
    Context,
    DatasetInfo,
    MonteCarlo,
    Needs,
    Pairs,
    Prediction,
    Preset,
    Protocol,
    Task,
)
from .building_blocks.passes_regression import (
    PassesRegressionConfig,
    passes_defaults,
    stored_training_numbers,
)
from .building_blocks.regression import Array, fit_linear
from .building_blocks.stochastic_passes import CLASS_NUMBERS, mean_prediction
from .building_blocks.structures import Aggregator, StructureRegression


class MCDropoutConfig(PassesRegressionConfig):
    """Hyper-parameters.

    Attributes:
        aggregator: the pixels over which the entropy of a class is averaged for its quality: "structure" for
            those of the predicted class, or "image" for all, as published.
        average: the average over the passes: of the "probabilities", or of the "logits", followed by a
            softmax.
        statistic: the score of a pixel, see `uncertainty`.
    """

    aggregator: Aggregator = "image"
    average: Literal["logits", "probabilities"] = "probabilities"
    statistic: Literal["entropy", "mutual-information", "variance"] = "entropy"


class MCDropout(StructureRegression):
    """The score of a pixel is the uncertainty over stochastic passes, with dropout on.

    The quality of a class is regressed from the mean entropy of the class. The failures to find are those of
    the deterministic prediction.
    """

    Config = MCDropoutConfig
    config: MCDropoutConfig

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Logits are averaged as in the published code for failures; structures are averaged in volumes.

        No code is published for anomalies or volumes. The mean over a whole volume says nothing of a
        structure, which is a small part of the volume.
        """
        published = protocol is Protocol.OFFICIAL and Task.ANOMALY not in dataset.default_tasks
        average = {"average": "logits"} if published and dataset.ndim == 2 else {}
        aggregator = {"aggregator": "structure"} if dataset.ndim == 3 else {}
        return passes_defaults(preset, protocol, dataset) | average | aggregator

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def map(self, prediction: Prediction) -> Tensor:
        """The configured statistic of each pixel, float32 (*spatial)."""
        passes = prediction.monte_carlo[self.config.passes]
        return uncertainty(mean_prediction(passes, self.config.average), passes, self.config.statistic)

    def class_numbers(self, prediction: Prediction, context: Context) -> Array:
        """The mean entropy of each class, float64 (L,)."""
        return CLASS_NUMBERS[self._name](prediction.monte_carlo[self.config.passes], prediction.labels)

    def training_numbers(self, pairs: Pairs, context: Context) -> tuple[Array, Array]:
        """The stored numbers, which all methods on passes share."""
        return stored_training_numbers(self.config, pairs, context)(self._name)

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Regress the quality of a class from its own entropy or, over whole images, from all entropies."""
        if self.config.aggregator == "structure":
            super().fit(pairs, context)
        else:
            entropies, quality = self.training_numbers(pairs, context)
            self._to_quality = fit_linear(entropies, quality, background=context.info.ndim == 3)

    @property
    def _name(self) -> str:
        """A key of `CLASS_NUMBERS`."""
        return f"{self.config.average} of {self.config.aggregator}"


def uncertainty(mean: Tensor, passes: MonteCarlo, statistic: str) -> Tensor:
    """The uncertainty of each pixel, higher = more uncertain.

    Args:
        mean: float32 (L, *spatial), the mean prediction.
        passes: statistics over the passes.
        statistic: "entropy" for the entropy of the mean (predictive entropy), "mutual-information" for the
            predictive entropy minus the mean entropy of the passes, or "variance" for the variance of the
            softmax, summed over classes.

    Returns:
        float32 (*spatial).
    """
    if statistic == "variance":
        return (passes.square - passes.mean**2).sum(0)  # Σ_l [ 1/T Σ_t p_t,l² - p̄_l² ]
    entropy: Tensor = torch.special.entr(mean).sum(0)  # H(p̄)
    if statistic == "mutual-information":
        return entropy - passes.entropy  # H(p̄) - 1/T Σ_t H(p_t)
    return entropy
