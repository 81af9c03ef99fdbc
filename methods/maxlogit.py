"""Maximum logit (Hendrycks et al., ICML 2022, "Scaling out-of-distribution detection")."""

from collections.abc import Sequence

from segalarm.benchmark.interfaces import (
    Context,
    Item,
    Method,
    Needs,
    Scores,
)


class MaxLogit(Method):
    """Score a pixel by the negated maximum over classes of the logits."""

    def needs(self) -> Needs:
        """The logits."""
        return Needs(logits=True)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Negate the maximum over the class axis."""
        scores = []
        for item in batch:
            logits = item.prediction.logits
            assert logits is not None
            scores.append(Scores(pixel=-logits.amax(0).cpu().numpy()))
        return scores
