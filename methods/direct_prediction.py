"""Direct Prediction: failures from an image and its segmentation alone (Xia et al., ECCV 2020, Section 4.1).

The ablation of SynthCP without the synthesized image: the same network with one branch, trained alike.
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
from .synthcp import comparison
from .synthcp.comparison import ComparisonConfig, ComparisonNetwork, Head


class DirectPredictionConfig(Config):
    """Hyper-parameters.

    Attributes:
        head: what the network is trained for: "joint", or "image" or "pixel" alone.
        comparison: of the network.
    """

    head: Head = "joint"
    comparison: ComparisonConfig = ComparisonConfig()


class DirectPrediction(Method):
    """The IoU of each class and the confidence of each pixel, regressed from x and ŷ."""

    Config = DirectPredictionConfig
    config: DirectPredictionConfig

    def __init__(self, config: DirectPredictionConfig, task: Task) -> None:
        super().__init__(config, task)
        self._network: ComparisonNetwork | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Those of SynthCP's comparison network."""
        return {"comparison": comparison.defaults(preset, protocol, dataset)}

    def needs(self) -> Needs:
        """The softmax, the network's second input."""
        return Needs(probabilities=True)

    def options(self) -> Sequence[Option]:
        """What was chosen on test images for the small presets."""
        return comparison.options(self.config.comparison)

    def fit_on(self) -> FitOn:
        """A predictor of failure needs real failures."""
        return comparison.fit_on(self.config.comparison)

    def fit_key(self) -> dict[str, Any]:
        """All tasks share a joint network."""
        return {"comparison": self.config.comparison.model_dump(mode="json"), "head": self.config.head}

    def skip(self, dataset: DatasetInfo) -> str | None:
        """A head alone scores pixels or images. An anomaly score is the doubt in the pixel's label."""
        task = Task.PIXEL_FAILURE if self.task is Task.ANOMALY else self.task
        return comparison.no_part(self.config.comparison, self.config.head, task)

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the network, or take the one that the configuration names."""
        self._network = comparison.taken(self.config.comparison, False, context)
        if self._network is not None:
            return
        self._network = comparison.make_network(context.info, self.config.comparison, False, context.seed)
        comparison.fit(self._network, self.config.comparison, self.config.head, pairs, None, context)

    def save(self, folder: Path) -> None:
        """The network."""
        assert self._network is not None
        comparison.save(self._network, folder)

    def load(self, folder: Path, context: Context) -> None:
        """Read the network."""
        self._network = comparison.load(folder, context.info, self.config.comparison, False, context.device)

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """One pass of the network an image answers all tasks."""
        return [self._one(item, context) for item in batch]

    def _one(self, item: Item, context: Context) -> Scores:
        def compare() -> tuple[Tensor, Tensor]:
            assert self._network is not None
            return comparison.compare(self._network, self.config.comparison, item, None, context.device)

        found = item.memo.get(("direct prediction", str(self.fit_key())), compare)
        return comparison.to_scores(self.task, self.config.comparison, found, item)
