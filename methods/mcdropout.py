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
from .building_blocks import passes
from .building_blocks.passes import NUMBERS, PassesRegressionConfig, mean_prediction
from .building_blocks.regression import Array, fit_linear
from .building_blocks.structures import Aggregator, StructureRegression


class MCDropoutConfig(PassesRegressionConfig):
    """Hyper-parameters.

    Attributes:
        aggregator: over what the entropy of a class is averaged for its quality: the voxels of the predicted
            "structure", or the whole "image", as published.
        average: what is averaged over the passes: "logits", whose softmax is taken then, or "probabilities".
        statistic: what is read of the passes for a pixel, see `uncertainty`.
    """

    aggregator: Aggregator = "image"
    average: Literal["logits", "probabilities"] = "probabilities"
    statistic: Literal["entropy", "mutual-information", "variance"] = "entropy"


class MCDropout(StructureRegression):
    """Score a pixel by the uncertainty over stochastic passes, dropout on; a class by a regression from it.

    The errors that it is judged by are those of the deterministic prediction.
    """

    Config = MCDropoutConfig
    config: MCDropoutConfig

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The published code for failure detection averages logits; it has none for anomalies or volumes.

        A structure is so small a part of a volume that the mean over the whole says nothing of it.
        """
        published = protocol is Protocol.OFFICIAL and Task.ANOMALY not in dataset.default_tasks
        average = {"average": "logits"} if published and dataset.ndim == 2 else {}
        aggregator = {"aggregator": "structure"} if dataset.ndim == 3 else {}
        return passes.defaults(preset, protocol, dataset) | average | aggregator

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def map(self, prediction: Prediction) -> Tensor:
        """The configured statistic."""
        drawn = prediction.monte_carlo[self.config.passes]
        return uncertainty(mean_prediction(drawn, self.config.average), drawn, self.config.statistic)

    def numbers(self, prediction: Prediction, context: Context) -> Array:
        """The entropy of each class."""
        return NUMBERS[self._name](prediction.monte_carlo[self.config.passes], prediction.labels)

    def observed(self, pairs: Pairs, context: Context) -> tuple[Array, Array]:
        """Read from what all methods share."""
        return passes.of_training(self.config, pairs, context)(self._name)

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Regress the quality of each class from its own entropy; of the whole image, from those of all."""
        if self.config.aggregator == "structure":
            super().fit(pairs, context)
        else:
            found = self.observed(pairs, context)
            self._to_quality = fit_linear(*found, background=context.info.ndim == 3)

    @property
    def _name(self) -> str:
        return f"{self.config.average} of {self.config.aggregator}"


def uncertainty(mean: Tensor, passes: MonteCarlo, statistic: str) -> Tensor:
    """One number a pixel, higher = more uncertain.

    Args:
        mean: float32 (L, *spatial), the mean prediction.
        passes: the streamed statistics.
        statistic: "entropy" of the mean (predictive entropy), "mutual-information" (that minus the passes'
            mean entropy), or "variance" of the softmax, summed over classes.

    Returns:
        float32 (*spatial).
    """
    if statistic == "variance":
        found = (passes.square - passes.mean**2).sum(0)
    else:
        found = torch.special.entr(mean).sum(0)
    if statistic == "mutual-information":
        found = found - passes.entropy
    return found
