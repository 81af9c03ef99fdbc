"""Uncertainty-driven sanity check (Jungo et al., 2018, arXiv:1806.03106)."""

from .building_blocks.passes_regression import PassesRegression


class Jungo(PassesRegression):
    """The score of a pixel is the entropy of the mean softmax over stochastic passes.

    The quality of a class is regressed from the mean entropy over the predicted structure.
    """

    uncertainty_map = "entropy"
