"""Maximum softmax probability (Hendrycks and Gimpel, ICLR 2017)."""

from collections.abc import Sequence

from segalarm.benchmark.interfaces import Context, Item, Method, Scores


class MSP(Method):
    """Score a pixel by -p, p the maximum softmax probability.

    The paper prints 1 - p, which ranks alike but makes ties in float32 where p is near 1.
    """

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Negate the prediction's confidence."""
        confidences = [item.prediction.confidence.cpu().numpy() for item in batch]
        return [Scores(pixel=-confidence, confidence=confidence) for confidence in confidences]
