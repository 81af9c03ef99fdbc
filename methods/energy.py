"""Free energy (Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020, Eq. 4)."""

from pydantic import Field
from torch import Tensor

from ..benchmark.interfaces import Needs, Prediction
from .building_blocks.structures import StructureConfig, StructureRegression


class EnergyConfig(StructureConfig):
    """`temperature`: T of the energy."""

    temperature: float = Field(default=1.0, gt=0)


class Energy(StructureRegression):
    """Score a pixel by E = -T log(sum over classes of exp(logit / T))."""

    Config = EnergyConfig
    config: EnergyConfig

    def needs(self) -> Needs:
        """The logits."""
        return Needs(logits=True)

    def map(self, prediction: Prediction) -> Tensor:
        """Energy over the class axis."""
        T = self.config.temperature
        assert prediction.logits is not None
        return -T * (prediction.logits / T).logsumexp(0)
