"""Free energy (Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020, Eq. 4)."""

from collections.abc import Sequence

from pydantic import Field
from segalarm.benchmark.interfaces import (
    Config,
    Context,
    Item,
    Method,
    Needs,
    Scores,
)


class EnergyConfig(Config):
    """`temperature`: T of the energy."""

    temperature: float = Field(default=1.0, gt=0)


class Energy(Method):
    """Score a pixel by E = -T log(sum over classes of exp(logit / T))."""

    Config = EnergyConfig
    config: EnergyConfig

    def needs(self) -> Needs:
        """The logits."""
        return Needs(logits=True)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Energy over the class axis."""
        T = self.config.temperature
        scores = []
        for item in batch:
            logits = item.prediction.logits
            assert logits is not None
            scores.append(Scores(pixel=(-T * (logits / T).logsumexp(0)).cpu().numpy()))
        return scores
