"""Free energy (Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020, Eq. 4)."""

from pydantic import Field
from torch import Tensor

from ..benchmark.interfaces import Needs, Prediction
from .building_blocks.structures import StructureConfig, StructureRegression


class EnergyConfig(StructureConfig):
    """Hyper-parameters.

    Attributes:
        temperature: T of Eq. 4.
    """

    temperature: float = Field(default=1.0, gt=0)


class Energy(StructureRegression):
    """The score of a pixel is E = -T log Σ_l exp(z_l / T), the free energy of the logits z (Eq. 4)."""

    Config = EnergyConfig
    config: EnergyConfig

    def needs(self) -> Needs:
        """The logits."""
        return Needs(logits=True)

    def map(self, prediction: Prediction) -> Tensor:
        """The free energy of each pixel, float32 (*spatial)."""
        T = self.config.temperature
        assert prediction.logits is not None
        return -T * (prediction.logits / T).logsumexp(0)  # E, Eq. 4
