"""Entropy of the predicted class distribution (Shannon, in nats)."""

import torch
from torch import Tensor

from ..benchmark.interfaces import Needs, Prediction
from .building_blocks.structures import StructureRegression


class Entropy(StructureRegression):
    """Score a pixel by H(p) = -sum over classes of p log p."""

    def needs(self) -> Needs:
        """The softmax, which an average over scales has too."""
        return Needs(probabilities=True)

    def map(self, prediction: Prediction) -> Tensor:
        """Entropy over the class axis; 0 log 0 = 0."""
        p = prediction.probabilities
        assert p is not None
        found: Tensor = -torch.special.xlogy(p, p).sum(0)
        return found
