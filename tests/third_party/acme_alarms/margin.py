"""A method without training."""

from segalarm import Config, Method, Needs, Scores


class MarginConfig(Config):
    power: float = 1.0


class Margin(Method):
    Config = MarginConfig

    def needs(self):
        return Needs(probabilities=True)

    def score(self, batch, context):
        scores = []
        for item in batch:
            first, second = item.prediction.probabilities.topk(2, dim=0).values
            scores.append(Scores(pixel=(-((first - second) ** self.config.power)).cpu().numpy()))
        return scores
