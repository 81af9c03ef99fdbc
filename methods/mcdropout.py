"""Monte-Carlo dropout (Gal and Ghahramani, ICML 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from segalarm.benchmark.interfaces import (
    Context,
    DatasetInfo,
    FitOn,
    Float32,
    Item,
    Method,
    MonteCarlo,
    Needs,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from segalarm.methods import passes
from segalarm.methods.passes import PassesConfig, class_entropies, mean_prediction
from segalarm.methods.regression import Linear, fit_linear
from torch import Tensor


class MCDropoutConfig(PassesConfig):
    """Hyper-parameters.

    Attributes:
        average: what is averaged over the passes: "logits", whose softmax is taken then, or "probabilities".
        statistic: what is read of the passes for a pixel, see `uncertainty`.
    """

    average: Literal["logits", "probabilities"] = "probabilities"
    statistic: Literal["entropy", "mutual-information", "variance"] = "entropy"


class MCDropout(Method):
    """Score a pixel by the uncertainty over stochastic passes, dropout on; an image by a regression from it.

    The errors that it is judged by are those of the deterministic prediction.
    """

    Config = MCDropoutConfig
    config: MCDropoutConfig

    def __init__(self, config: MCDropoutConfig, task: Task) -> None:
        super().__init__(config, task)
        self._to_quality: Linear | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The published code for failure detection averages logits; it has none for anomalies or volumes."""
        published = protocol is Protocol.OFFICIAL and Task.ANOMALY not in dataset.default_tasks
        average = {"average": "logits"} if published and dataset.ndim == 2 else {}
        return passes.defaults(preset, protocol, dataset) | average

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def fit_on(self) -> FitOn:
        """Pixels are ranked by what the passes say; a quality is regressed from it."""
        return FitOn.OUT_OF_FOLD if self.task is Task.IMAGE_FAILURE else FitOn.NOTHING

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Regress the quality of each class from the entropies of all, on out-of-fold predictions."""
        self._to_quality = fit_linear(*passes.of_training(self.config, pairs, context)(self.config.average))

    def save(self, folder: Path) -> None:
        """The regression."""
        assert self._to_quality is not None
        self._to_quality.save(folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the regression."""
        self._to_quality = Linear.load(folder)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Read the configured statistic of the shared passes, or regress."""
        scores = []
        for item in batch:
            drawn = item.prediction.monte_carlo[self.config.passes]
            mean = mean_prediction(drawn, self.config.average)
            if self.task is Task.IMAGE_FAILURE:
                assert self._to_quality is not None
                scores.append(Scores(quality=self._to_quality(class_entropies(mean))))
            else:
                scores.append(Scores(pixel=uncertainty(mean, drawn, self.config.statistic)))
        return scores


def uncertainty(mean: Tensor, passes: MonteCarlo, statistic: str) -> Float32:
    """One number a pixel, higher = more uncertain.

    Args:
        mean: float32 (L, *spatial), the mean prediction.
        passes: the streamed statistics.
        statistic: "entropy" of the mean (predictive entropy), "mutual-information" (that minus the passes'
            mean entropy), or "variance" of the softmax, summed over classes.

    Returns:
        float32 array (*spatial).
    """
    if statistic == "variance":
        found = (passes.square - passes.mean**2).sum(0)
    else:
        found = torch.special.entr(mean).sum(0)
    if statistic == "mutual-information":
        found = found - passes.entropy
    array: Float32 = found.cpu().numpy()
    return array
