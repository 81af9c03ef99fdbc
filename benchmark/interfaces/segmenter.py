"""Segmenters, and what they say of an image. `*spatial` is (H, W) or (D, H, W), `L` the number of classes."""

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
    """Which features of a segmenter.

    `layer`: "decoder" is what it classifies from: its classifier's input, or what its authors compare by.
    `scales`: lengths of the image's short side to average over; empty for the image as it is.
    """

    layer: str = "decoder"
    scales: tuple[int, ...] = ()


@dataclass(frozen=True)
class Needs:
    """What of a `Prediction` is asked for, beyond labels and confidence. `a | b` joins two.

    Attributes:
        monte_carlo: numbers of stochastic passes whose statistics are wanted.
        branch: whether to give what a confidence branch reads.
        ensemble: members whose probabilities are wanted; the run trains them, segmenters of other seeds.
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
        """What of it one segmenter is asked for: an ensemble's share is its probabilities."""
        return replace(self, probabilities=self.probabilities or self.ensemble > 0, ensemble=0)


@dataclass(frozen=True)
class MonteCarlo:
    """Statistics over stochastic passes (dropout on), streamed: no pass is kept.

    Attributes:
        mean: float32 (L, *spatial), mean of the softmax.
        entropy: float32 (*spatial), mean over passes of the entropy in nats.
        square: float32 (L, *spatial), mean of the squared softmax.
        logits: float32 (L, *spatial), mean of the logits; None where a pass has none.
    """

    passes: int
    mean: torch.Tensor
    entropy: torch.Tensor
    square: torch.Tensor
    logits: torch.Tensor | None = None


@dataclass
class Prediction:
    """What a segmenter says of one image, at the image's resolution, on the run's device.

    Attributes:
        labels: int64 (*spatial).
        confidence: float32 (*spatial), the maximum softmax probability.
        logits: float32 (L, *spatial), over several scales of the image their mean.
        probabilities: float32 (L, *spatial).
        features: float32 (C, *reduced) a wanted `Features`.
        branch: float32 (C, *reduced) each: the feature maps that a confidence branch of this segmenter reads
            (TCP); how many, and of which layers, the segmenter decides.
        monte_carlo: statistics a wanted number of passes.
        members: float32 (M, L, *spatial), the softmax of every ensemble member, the segmenter's own first.
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
    """A segmentation network, from training to prediction. The constructor only stores.

    Args:
        config: its hyper-parameters.
        dataset: the data set it is trained on.
    """

    Config: ClassVar[type[AnyConfig]] = AnyConfig

    def __init__(self, config: AnyConfig, dataset: DatasetInfo) -> None:
        self.config = config
        self.dataset = dataset

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Values of `Config` that the preset, protocol and data set choose."""
        return {}

    def sources(self) -> list[Path]:
        """Files beside its code that say what it is, such as a network's config."""
        return []

    def lacks(self, needs: Needs) -> str | None:
        """Why it cannot give what is needed, with the way out, or None. Asked before it is trained."""
        return None

    @abstractmethod
    def fit(self, samples: Sequence[Sample], context: Context) -> None:
        """Train on `samples`. Afterwards `predict` works."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights below `folder`, with safetensors."""

    @abstractmethod
    def load(self, folder: Path, device: str) -> None:
        """Read what `save` wrote. Afterwards `predict` works."""

    @abstractmethod
    def load_checkpoint(self, file: Path, device: str) -> None:
        """Read a foreign checkpoint with `weights_only=True`.

        Raises:
            BenchError: a pickle that runs code, missing or unexpected keys, other shapes or classes.
        """

    @abstractmethod
    def predict(self, images: torch.Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment images of one size.

        Args:
            images: float32 (B, C, *spatial), as samples hold them, on the segmenter's device.
            keys: one an image; seeds the stochastic passes with `seed`, so that these do not depend
                on how images are batched.
            needs: what to compute beyond labels and confidence.
            seed: the run's.
        """
