"""Maximum logit (Hendrycks et al., ICML 2022, "Scaling out-of-distribution detection")."""

from torch import Tensor

from ..benchmark.interfaces import Needs, Prediction
from .building_blocks.structures import StructureRegression


class MaxLogit(StructureRegression):
    """The score of a pixel is -max_l z_l, the negated maximum logit over the classes l."""

    def needs(self) -> Needs:
        """The logits."""
        return Needs(logits=True)

    def map(self, prediction: Prediction) -> Tensor:
        """The negated maximum logit of each pixel, float32 (*spatial)."""
        assert prediction.logits is not None
        return -prediction.logits.amax(0)  # -max_l z_l
