"""Direct Prediction: failures from an image and its segmentation alone (Xia et al., ECCV 2020, Section 4.1).

It is the ablation of SynthCP without the synthesized image: the same network with one branch, and the same
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    FitOn,
    Item,
    Method,
    Needs,
    Option,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from .synthcp.comparison.comparison_config import (
    ComparisonConfig,
    Head,
    comparison_defaults,
    comparison_fit_on,
    options_chosen_on_test,
    unsupported_head,
)
from .synthcp.comparison.comparison_network import (
    ComparisonNetwork,
    load_network,
    make_network,
    network_from_weights,
    save_network,
)
from .synthcp.comparison.comparison_training import train_network
from .synthcp.comparison.scoring import compare, to_scores


class DirectPredictionConfig(Config):
    """Hyper-parameters.

    Attributes:
        head: the losses that the network is trained for: "joint" for both, "image" or "pixel".
        comparison: hyper-parameters of the network.
    """

    head: Head = "joint"
    comparison: ComparisonConfig = ComparisonConfig()


class DirectPrediction(Method):
    """The score of a pixel is -(c + p); a network predicts c and the quality of each class from x and ŷ.

    x is the image, ŷ the softmax, c the confidence that the predicted class of a pixel is right, and p the
    maximum softmax probability. In the text of the paper the score is -c.
    """

    Config = DirectPredictionConfig
    config: DirectPredictionConfig

    def __init__(self, config: DirectPredictionConfig, task: Task) -> None:
        super().__init__(config, task)
        self._network: ComparisonNetwork | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The defaults of SynthCP's comparison network."""
        return {"comparison": comparison_defaults(preset, protocol, dataset)}

    def needs(self) -> Needs:
        """The softmax ŷ."""
        return Needs(probabilities=True)

    def options(self) -> Sequence[Option]:
        """The hyper-parameters whose values below `full` were chosen on labels of a test split."""
        return options_chosen_on_test(self.config.comparison)

    def fit_on(self) -> FitOn:
        """Out-of-fold predictions: what learns from failures needs failures as on new images."""
        return comparison_fit_on(self.config.comparison)

    def fit_key(self) -> dict[str, Any]:
        """The hyper-parameters without the task: all tasks share a network."""
        return {"comparison": self.config.comparison.model_dump(mode="json"), "head": self.config.head}

    def skip(self, dataset: DatasetInfo) -> str | None:
        """Skip tasks that the head is not trained for. An anomaly is scored as a failure of the pixel."""
        task = Task.PIXEL_FAILURE if self.task is Task.ANOMALY else self.task
        return unsupported_head(self.config.comparison, self.config.head, task)

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the network, or read it from the `weights` of the configuration."""
        self._network = network_from_weights(self.config.comparison, False, context)
        if self._network is not None:
            return
        self._network = make_network(context.info, self.config.comparison, False, context.seed)
        train_network(self._network, self.config.comparison, self.config.head, pairs, None, context)

    def save(self, folder: Path) -> None:
        """Write the network."""
        assert self._network is not None
        save_network(self._network, folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the network."""
        self._network = load_network(folder, context.info, self.config.comparison, False, context.device)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Run the network on each image."""
        return [self._score_item(item, context) for item in batch]

    def _score_item(self, item: Item, context: Context) -> Scores:
        def run_network() -> tuple[Tensor, Tensor]:
            assert self._network is not None
            return compare(self._network, self.config.comparison, item, None, context.device)

        # The memo lets all tasks share one pass of the network.
        compared = item.memo.get(("direct prediction", str(self.fit_key())), run_network)
        return to_scores(self.task, self.config.comparison, compared, item)
