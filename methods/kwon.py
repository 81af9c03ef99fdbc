"""Predictive variance (Kwon et al., Computational Statistics and Data Analysis 2020)."""

from .building_blocks.passes_regression import PassesRegression


class Kwon(PassesRegression):
    """The score of a pixel is the aleatoric plus the epistemic variance over stochastic passes (Eq. 4).

    The quality of a class is regressed from the mean variance over the predicted structure.
    """

    uncertainty_map = "variance"
