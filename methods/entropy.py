"""Entropy of the softmax (Shannon, in nats)."""

import torch
from torch import Tensor

from ..benchmark.interfaces import Needs, Prediction
from .building_blocks.structures import StructureRegression


class Entropy(StructureRegression):
    """The score of a pixel is H(q) = -Σ_l q_l log q_l, the entropy of the softmax q over the classes l."""

    def needs(self) -> Needs:
        """The softmax, which segmenters that average over scales have as well."""
        return Needs(probabilities=True)

    def map(self, prediction: Prediction) -> Tensor:
        """The entropy of each pixel in nats, float32 (*spatial); 0 log 0 counts as 0."""
        q = prediction.probabilities
        assert q is not None
        entropy: Tensor = -torch.special.xlogy(q, q).sum(0)  # H(q)
        return entropy
