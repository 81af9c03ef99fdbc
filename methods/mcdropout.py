"""Monte-Carlo dropout (Gal and Ghahramani, ICML 2016)."""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from segalarm.benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    Float32,
    Item,
    Method,
    MonteCarlo,
    Needs,
    Scores,
    SegmenterInfo,
)


class MCDropoutConfig(Config):
    """`passes`: stochastic passes. `statistic`: what is read of them, see `uncertainty`."""

    passes: int = Field(default=50, ge=2)
    statistic: Literal["entropy", "mutual-information", "variance"] = "entropy"


class MCDropout(Method):
    """Score a pixel by the uncertainty over stochastic passes, dropout on.

    The errors that it is judged by are those of the deterministic prediction.
    """

    Config = MCDropoutConfig
    config: MCDropoutConfig

    def needs(self) -> Needs:
        """The statistics over the passes."""
        return Needs(monte_carlo=frozenset({self.config.passes}))

    def skip(self, dataset: DatasetInfo, segmenter: SegmenterInfo) -> str | None:
        """Without dropout every pass is the same."""
        if segmenter.has_dropout:
            return None
        return f"{segmenter.name} has no active dropout; give it one: --set {segmenter.name}.dropout=0.1"

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Read the configured statistic of the shared passes."""
        return [
            Scores(pixel=uncertainty(item.prediction.monte_carlo[self.config.passes], self.config.statistic))
            for item in batch
        ]


def uncertainty(passes: MonteCarlo, statistic: str) -> Float32:
    """One number a pixel, higher = more uncertain.

    Args:
        passes: the streamed statistics.
        statistic: "entropy" of the mean softmax (predictive entropy), "mutual-information" (that minus
            the passes' mean entropy), or "variance" of the softmax, summed over classes.

    Returns:
        float32 array (*spatial).
    """
    p = passes.mean
    if statistic == "variance":
        found = (passes.square - p**2).sum(0)
    else:
        found = -torch.special.xlogy(p, p).sum(0)
    if statistic == "mutual-information":
        found = found - passes.entropy
    array: Float32 = found.cpu().numpy()
    return array
