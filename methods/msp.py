"""Maximum softmax probability (Hendrycks and Gimpel, ICLR 2017)."""

from collections.abc import Sequence

from ..benchmark.interfaces import Config, Context, Item, Method, Scores, Task
from .building_blocks.structures import Aggregator, mean_confidence


class MSPConfig(Config):
    """`aggregator`: over what p is averaged for the quality of a class."""

    aggregator: Aggregator = "structure"


class MSP(Method):
    """Score a pixel by -p, p the maximum softmax probability; a class by the mean p of its pixels.

    The paper prints 1 - p, which ranks alike but makes ties in float32 where p is near 1.
    """

    Config = MSPConfig
    config: MSPConfig

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Negate the prediction's confidence, or average it."""
        if self.task is Task.IMAGE_FAILURE:
            classes, aggregator = len(context.info.classes), self.config.aggregator
            found = [item.prediction for item in batch]
            return [
                Scores(quality=mean_confidence(p.confidence, p.labels, classes, aggregator)) for p in found
            ]
        confidences = [item.prediction.confidence.cpu().numpy() for item in batch]
        return [Scores(pixel=-confidence, confidence=confidence) for confidence in confidences]
