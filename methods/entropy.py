"""Entropy of the predicted class distribution (Shannon, in nats)."""

from collections.abc import Sequence

import torch
from segalarm.benchmark.interfaces import Context, Item, Method, Needs, Scores


class Entropy(Method):
    """Score a pixel by H(p) = -sum over classes of p log p."""

    def needs(self) -> Needs:
        """The softmax, which an average over scales has too."""
        return Needs(probabilities=True)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Entropy over the class axis; 0 log 0 = 0."""
        scores = []
        for item in batch:
            p = item.prediction.probabilities
            assert p is not None
            scores.append(Scores(pixel=-torch.special.xlogy(p, p).sum(0).cpu().numpy()))
        return scores
