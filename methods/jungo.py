"""Uncertainty-driven sanity check (Jungo et al., 2018, arXiv:1806.03106)."""

from .building_blocks.passes import PassesRegression


class Jungo(PassesRegression):
    """The entropy of the mean softmax over the passes; for a quality, its mean over the structure."""

    kind = "entropy"
