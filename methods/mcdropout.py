"""Monte-Carlo dropout (Gal and Ghahramani, ICML 2016)."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from segalarm.benchmark.errors import BenchError
from segalarm.benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    Float32,
    Item,
    Method,
    MonteCarlo,
    Needs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from torch import Tensor


class MCDropoutConfig(Config):
    """Hyper-parameters.

    Attributes:
        passes: stochastic passes.
        statistic: what is read of them, see `uncertainty`.
        average: what is averaged over passes: "logits", whose softmax is taken then, or "probabilities".
    """

    passes: int = Field(default=50, ge=2)
    statistic: Literal["entropy", "mutual-information", "variance"] = "entropy"
    average: Literal["logits", "probabilities"] = "probabilities"


class MCDropout(Method):
    """Score a pixel by the uncertainty over stochastic passes, dropout on.

    The errors that it is judged by are those of the deterministic prediction.
    """

    Config = MCDropoutConfig
    config: MCDropoutConfig

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The published code for failure detection averages logits; it has none for anomalies."""
        published = protocol is Protocol.OFFICIAL and Task.ANOMALY not in dataset.default_tasks
        return {"average": "logits"} if published else {}

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Read the configured statistic of the shared passes."""
        scores = []
        for item in batch:
            passes = item.prediction.monte_carlo[self.config.passes]
            mean = passes.mean
            if self.config.average == "logits":
                if passes.logits is None:
                    raise BenchError(
                        "mcdropout: this segmenter averages over scales, so its passes have no logits: "
                        "--set mcdropout.average=probabilities"
                    )
                mean = torch.softmax(passes.logits, dim=0)
            scores.append(Scores(pixel=uncertainty(mean, passes, self.config.statistic)))
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
