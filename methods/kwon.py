"""Predictive variance (Kwon et al., Computational Statistics and Data Analysis 2020)."""

from .building_blocks.passes import PassesRegression


class Kwon(PassesRegression):
    """Aleatoric and epistemic variance over the passes; for a quality, its mean over the structure."""

    kind = "variance"
