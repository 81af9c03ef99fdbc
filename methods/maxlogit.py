"""Maximum logit (Hendrycks et al., ICML 2022, "Scaling out-of-distribution detection")."""

from torch import Tensor

from ..benchmark.interfaces import Needs, Prediction
from .building_blocks.structures import StructureRegression


class MaxLogit(StructureRegression):
    """Score a pixel by the negated maximum over classes of the logits."""

    def needs(self) -> Needs:
        """The logits."""
        return Needs(logits=True)

    def map(self, prediction: Prediction) -> Tensor:
        """Negate the maximum over the class axis."""
        assert prediction.logits is not None
        return -prediction.logits.amax(0)
