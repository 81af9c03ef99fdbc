"""Maximum softmax probability (Hendrycks and Gimpel, ICLR 2017)."""

from collections.abc import Sequence

from ..benchmark.interfaces import Config, Context, Item, Method, Scores, Task
from .building_blocks.structures import Aggregator, mean_confidence


class MSPConfig(Config):
    """Hyper-parameters.

    Attributes:
        aggregator: the pixels over which p is averaged for the quality of a class.
    """

    aggregator: Aggregator = "structure"


class MSP(Method):
    """The score of a pixel is -p, where p is the maximum softmax probability.

    The quality of a class is the mean p over the pixels of the class. The paper prints 1 - p, which orders
    pixels alike, but makes ties in float32 where p is near 1.
    """

    Config = MSPConfig
    config: MSPConfig

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Negate p, or average it over each class."""
        if self.task is Task.IMAGE_FAILURE:
            return [self._quality(item, len(context.info.classes)) for item in batch]
        confidences = [item.prediction.confidence.cpu().numpy() for item in batch]
        return [Scores(pixel=-confidence, confidence=confidence) for confidence in confidences]

    def _quality(self, item: Item, classes: int) -> Scores:
        prediction, aggregator = item.prediction, self.config.aggregator
        return Scores(quality=mean_confidence(prediction.confidence, prediction.labels, classes, aggregator))
