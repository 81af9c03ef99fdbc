"""Segmenters and their predictions.

In shapes, `C` is the number of channels, `L` the number of classes, and `*spatial` is (H, W) for images or
(D, H, W) for volumes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .data import DatasetInfo, Sample
from .settings import AnyConfig, Preset, Protocol

if TYPE_CHECKING:
    import torch

    from .context import Context


@dataclass(frozen=True)
class Features:
    """The name of one feature map of a segmenter.

    Attributes:
        layer: the layer that gives the features. "decoder" is the input of the classifier, or the layer by
            which the network's authors compare images.
        scales: lengths of the image's short side, in pixels. The features are averaged over the image
            resized to each length. Empty: the image as it is.
    """

    layer: str = "decoder"
    scales: tuple[int, ...] = ()


@dataclass(frozen=True)
class Needs:
    """The parts of a `Prediction` that are asked for, beyond labels and confidence. `a | b` joins two.

    Attributes:
        logits: whether to give the logits.
        probabilities: whether to give the softmax.
        branch: whether to give the feature maps that a confidence branch reads.
        features: the feature maps to give.
        monte_carlo: numbers of stochastic passes; each number gives statistics over so many passes.
        ensemble: number of ensemble members whose probabilities to give; 0 for none. The run trains the
            members: segmenters like the tested one, of other seeds.
    """

    logits: bool = False
    probabilities: bool = False
    branch: bool = False
    features: frozenset[Features] = frozenset()
    monte_carlo: frozenset[int] = frozenset()
    ensemble: int = 0

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.logits or other.logits,
            self.probabilities or other.probabilities,
            self.branch or other.branch,
            self.features | other.features,
            self.monte_carlo | other.monte_carlo,
            max(self.ensemble, other.ensemble),
        )

    @property
    def of_one(self) -> Needs:
        """The needs passed to each single segmenter. Ensemble members return probabilities only."""
        return replace(self, probabilities=self.probabilities or self.ensemble > 0, ensemble=0)


@dataclass(frozen=True)
class MonteCarlo:
    """Statistics over stochastic passes (dropout on) of one image. Single passes are not kept.

    Attributes:
        passes: number of passes.
        mean: float32 (L, *spatial), mean of the softmax.
        entropy: float32 (*spatial), mean of the passes' entropies, in nats.
        square: float32 (L, *spatial), mean of the squared softmax.
        logits: float32 (L, *spatial), mean of the logits; None if the passes have no logits.
    """

    passes: int
    mean: torch.Tensor
    entropy: torch.Tensor
    square: torch.Tensor
    logits: torch.Tensor | None = None


@dataclass
class Prediction:
    """A segmenter's prediction for one image, at the image's resolution, on the run's device.

    Attributes:
        labels: int64 (*spatial), the predicted class of each pixel.
        confidence: float32 (*spatial) in [0, 1], the maximum softmax probability.
        logits: float32 (L, *spatial). A segmenter that averages over scales of the image gives their mean.
        probabilities: float32 (L, *spatial), the softmax.
        features: the feature maps that were asked for, float32 (C, *reduced) each.
        branch: the feature maps that a confidence branch of this segmenter reads (TCP), float32
            (C, *reduced) each. The segmenter decides how many, and of which layers.
        monte_carlo: number of passes -> statistics, for each number that was asked for.
        members: float32 (M, L, *spatial), the softmax of every ensemble member; the first is this
            segmenter's own.
    """

    labels: torch.Tensor
    confidence: torch.Tensor
    logits: torch.Tensor | None = None
    probabilities: torch.Tensor | None = None
    features: dict[Features, torch.Tensor] = field(default_factory=dict)
    branch: tuple[torch.Tensor, ...] = ()
    monte_carlo: dict[int, MonteCarlo] = field(default_factory=dict)
    members: torch.Tensor | None = None


class Segmenter(ABC):
    """A segmentation network, from training to prediction. The constructor only stores its arguments.

    Args:
        config: its hyper-parameters, an instance of `Config`.
        dataset: the facts of the data set that it is trained on.
    """

    Config: ClassVar[type[AnyConfig]] = AnyConfig
    """The class of its hyper-parameters."""

    def __init__(self, config: AnyConfig, dataset: DatasetInfo) -> None:
        self.config = config
        self.dataset = dataset

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The values of `Config` that depend on preset, protocol or data set: key -> value."""
        return {}

    def sources(self) -> list[Path]:
        """Files, beside its code, that define the network, such as a config file of a framework."""
        return []

    def lacks(self, needs: Needs) -> str | None:
        """Why this segmenter cannot give what is needed, and what to use instead; None if it can.

        Called before the segmenter is trained.
        """
        return None

    @abstractmethod
    def fit(self, samples: Sequence[Sample], context: Context) -> None:
        """Train on `samples`. Afterwards `predict` works."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights below `folder`, with safetensors."""

    @abstractmethod
    def load(self, folder: Path, device: str) -> None:
        """Read the weights that `save` wrote. Afterwards `predict` works."""

    @abstractmethod
    def load_checkpoint(self, file: Path, device: str) -> None:
        """Read a checkpoint that was trained elsewhere, with `weights_only=True`.

        Raises:
            BenchError: the file is a pickle that runs code, keys are missing or unexpected, or shapes or
                classes differ.
        """

    @abstractmethod
    def predict(self, images: torch.Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment images of one size.

        Args:
            images: float32 (B, C, *spatial), as samples hold them, on the segmenter's device.
            keys: the sample's key of each image. Key and seed together seed the stochastic passes, so that
                these passes do not depend on how images are batched.
            needs: what to give beyond labels and confidence.
            seed: the seed of the run.

        Returns:
            One prediction per image, in order.
        """
