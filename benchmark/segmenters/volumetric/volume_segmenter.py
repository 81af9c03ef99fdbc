"""The base class of segmenters of volumes, which train on patches and predict with a sliding window."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ...data.selection import evenly
from ...interfaces import (
    AnyConfig,
    Context,
    DatasetInfo,
    Features,
    MonteCarlo,
    Needs,
    Prediction,
    Sample,
    Segmenter,
)
from ...interfaces.errors import BenchError
from ...training import Objective, poly, seed_everything, train
from ...weights.checkpoints import load_strict, read_checkpoint, save_weights
from ..dropout_passes import active_dropouts, dropout_on, stable_seed, statistics
from .patch_losses import patch_losses
from .patches import PADDING, Patches, Sampling, Size
from .sliding_window import sliding_window

WEIGHTS = "segmenter.safetensors"
DECODER = Features()


class VolumeConfig(AnyConfig):
    """Hyper-parameters of a segmenter of volumes.

    Attributes:
        steps: Number of updates of the weights.
        batch_size: Patches in a batch.
        per_volume: Patches that are cut out of a volume each time that the volume is read.
        patch: Depth, height and width in voxels of a training patch and of the sliding window.
        learning_rate: Learning rate of AdamW at the start.
        weight_decay: Weight decay of AdamW.
        warmup: Number of first steps over which the learning rate rises linearly.
        power: The learning rate falls as (1 - step / steps) ** power.
        clip: Largest norm of the gradient; None for no limit.
        sampling: How patches are placed and varied.
        balance: A class of n voxels in the batch has the weight n ** -balance in the cross entropy; 0 weighs
            all classes alike.
        part: Share of the training volumes that is learned from, evenly spaced.
        dropout: Dropout ratio; 0 for no dropout.
        overlap: Share of a window that overlaps with its neighbour, along every axis.
        windows: Number of windows that are segmented at once.
    """

    steps: int = Field(20_000, ge=1)
    batch_size: int = Field(4, ge=1)
    per_volume: int = Field(2, ge=1)
    patch: Size = (64, 128, 128)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    warmup: int = Field(0, ge=0)
    power: float = Field(0.9, ge=0)
    clip: float | None = Field(12.0, gt=0)
    sampling: Sampling = Sampling()
    balance: float = Field(0.5, ge=0, le=1)
    part: float = Field(1.0, gt=0, le=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    overlap: float = Field(0.25, ge=0, lt=1)
    windows: int = Field(1, ge=1)


class VolumeSegmenter(Segmenter):
    """A segmenter whose network reads patches. A subclass names and builds the network."""

    Config: ClassVar[type[AnyConfig]] = VolumeConfig
    name: ClassVar[str]
    classifier: ClassVar[str]
    """Path of the network's last module, whose input is the layer "decoder"."""

    def __init__(self, config: AnyConfig, dataset: DatasetInfo) -> None:
        super().__init__(config, dataset)
        self._network: nn.Module | None = None

    @property
    @abstractmethod
    def divisor(self) -> Size:
        """Divisors of depth, height and width of a patch that the network can read."""

    @abstractmethod
    def build(self) -> nn.Module:
        """Build the network with fresh weights: (B, C, D, H, W) to logits (B, L, D, H, W)."""

    @property
    def settings(self) -> VolumeConfig:
        """The hyper-parameters, with their type."""
        assert isinstance(self.config, VolumeConfig)
        return self.config

    def lacks(self, needs: Needs) -> str | None:
        """Say which ensemble, dropout, branch or layers are needed that this network does not have."""
        if needs.ensemble:
            return f"{self.name} is one network, no ensemble"
        if needs.monte_carlo and not self.settings.dropout:
            return f"{self.name} has no active dropout; give it one: --set {self.name}.dropout=0.1"
        if needs.branch:
            return f"{self.name} offers no maps to a confidence branch"
        if needs.features - {DECODER}:
            return f"{self.name} gives features of layer 'decoder' at one scale alone"
        return None

    def fit(self, samples: Sequence[Sample], context: Context) -> None:
        """Train on patches of the samples.

        Raises:
            BenchError: There are no samples, a label is no class, the network cannot read patches of this
                size, or a loss is not finite.
        """
        settings = self.settings
        self._check_patch()
        if not len(samples):
            raise BenchError(f"segmenter {self.name}: no training samples of {self.dataset.name}")
        context.weights[self.name] = "none"
        seed_everything(context.seed)
        network = self.build()
        patches = Patches(
            part_of(samples, settings.part),
            len(self.dataset.classes),
            settings.batch_size,
            settings.per_volume,
            settings.patch,
            settings.sampling,
            context.seed,
        )
        objective: Objective[tuple[Tensor, Tensor]] = Objective(
            torch.optim.AdamW(
                network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
            ),
            partial(patch_losses, network, settings.balance),
            poly(settings.steps, settings.power, settings.warmup),
            settings.clip,
        )
        train(f"train {self.name}", {"network": network}, [objective], patches, settings.steps, context)
        self._network = network.to(context.device).eval()

    def save(self, folder: Path) -> None:
        """Write the weights into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self._ready, folder / WEIGHTS)

    def load(self, folder: Path, device: str) -> None:
        """Read the weights that `save` wrote."""
        self.load_checkpoint(folder / WEIGHTS, device)

    def load_checkpoint(self, file: Path, device: str) -> None:
        """Read a file with a state dict of the network."""
        network = self.build()
        load_strict(network, read_checkpoint(file), file)
        self._network = network.to(device).eval()

    @torch.no_grad()  # not inference mode: methods may train on the predictions
    def predict(self, images: Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment volumes of one size, one after the other: float32 (B, C, D, H, W)."""
        self._check_patch()
        return [
            self._segment_one(image[None], key, needs, seed) for image, key in zip(images, keys, strict=True)
        ]

    def _segment_one(self, image: Tensor, key: str, needs: Needs, seed: int) -> Prediction:
        logits, features = self._segment(image, bool(needs.features))
        probabilities = torch.softmax(logits, dim=0)
        confidence, labels = probabilities.max(dim=0)
        return Prediction(
            labels,
            confidence,
            logits if needs.logits else None,
            probabilities if needs.probabilities else None,
            {} if features is None else {DECODER: features},
            monte_carlo=self._monte_carlo(image, key, seed, needs.monte_carlo) if needs.monte_carlo else {},
        )

    def _monte_carlo(
        self, image: Tensor, key: str, seed: int, passes: Collection[int]
    ) -> dict[int, MonteCarlo]:
        def draw() -> tuple[Tensor, Tensor]:
            logits, _ = self._segment(image, False)
            return torch.softmax(logits, dim=0), logits

        modules = [module for _, module in active_dropouts(self._ready)]
        with dropout_on(modules, image.device, stable_seed(seed, key)):
            return statistics(draw, passes)

    def _segment(self, image: Tensor, with_features: bool) -> tuple[Tensor, Tensor | None]:
        """Compute logits (L, D, H, W) and, if asked for, features (C, d, h, w), blended over windows.

        Args:
            image: float32 (1, C, D, H, W).
            with_features: Whether to compute the features of the layer "decoder".
        """
        outputs = sliding_window("segmenting volumes")(
            image,
            self.settings.patch,
            self.settings.windows,
            self._with_features if with_features else self._ready,
            overlap=self.settings.overlap,
            mode="gaussian",
            cval=PADDING,
        )
        if with_features:
            return outputs[0][0].float(), outputs[1][0].float()
        return outputs[0].float(), None

    def _with_features(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and features of a window."""
        features: list[Tensor] = []
        classifier = self._ready.get_submodule(self.classifier)
        handle = classifier.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0]))
        try:
            logits: Tensor = self._ready(window)
        finally:
            handle.remove()
        return logits, self.as_spatial(features[0])

    def as_spatial(self, features: Tensor) -> Tensor:
        """Bring the axes of features into the order (B, C, d, h, w)."""
        return features

    def _check_patch(self) -> None:
        patch = self.settings.patch
        if any(length < 1 or length % unit for length, unit in zip(patch, self.divisor, strict=True)):
            raise BenchError(
                f"{self.name}.patch = {list(patch)}: depth, height and width must be multiples of "
                f"{list(self.divisor)}"
            )

    @property
    def _ready(self) -> nn.Module:
        if self._network is None:
            raise BenchError(f"segmenter {self.name} is neither trained nor loaded")
        return self._network


def part_of(samples: Sequence[Sample], part: float) -> Sequence[Sample]:
    """Select an evenly spaced share of the samples, at least one sample."""
    return evenly(samples, max(1, round(len(samples) * part)))
