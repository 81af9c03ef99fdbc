"""What segmenters of volumes share: patches to train on, a window that slides over the volume to predict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ...data.selection import evenly
from ...interfaces import (
    VOID,
    Context,
    DatasetInfo,
    Features,
    MonteCarlo,
    Needs,
    Prediction,
    Sample,
    Segmenter,
)
from ...interfaces import Config as BaseConfig
from ...interfaces.errors import BenchError
from ...training import Objective, poly, seed_everything, train
from ...weights.checkpoints import load_strict, read_checkpoint, save_weights
from ..stochastic import active_dropouts, dropout_on, stable_seed, statistics
from .patches import PADDING, Patches, Sampling, Size, sliding_window

WEIGHTS = "segmenter.safetensors"
DECODER = Features()


class VolumeConfig(BaseConfig):
    """Hyper-parameters of a segmenter of volumes.

    Attributes:
        steps: updates of the weights.
        batch_size: patches an update.
        per_volume: patches that are cut from a volume each time that it is read.
        patch: (D, H, W) in voxels, of what is trained on and of the window that slides.
        balance: cross entropy weighs a class by its number of voxels in the batch to minus this; 0 for alike.
        part: of the training volumes, that are learned from; evenly spaced.
        dropout: ratio; 0 for none.
        overlap: of neighbouring windows, in each direction.
        windows: that are segmented at once.
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
    """A network of patches. A subclass names it and builds it."""

    Config: ClassVar[type[BaseConfig]] = VolumeConfig
    name: ClassVar[str]
    classifier: ClassVar[str]
    """The network's last module, whose input are the features of layer "decoder"."""

    def __init__(self, config: BaseConfig, dataset: DatasetInfo) -> None:
        super().__init__(config, dataset)
        self._network: nn.Module | None = None

    @property
    @abstractmethod
    def divisor(self) -> Size:
        """Patches are multiples of it."""

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with fresh weights: (B, C, *patch) to logits (B, L, *patch)."""

    @property
    def settings(self) -> VolumeConfig:
        """The configuration, typed."""
        assert isinstance(self.config, VolumeConfig)
        return self.config

    def lacks(self, needs: Needs) -> str | None:
        """Members, dropout or layers that it has not."""
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
        """Train on patches of `samples`.

        Raises:
            BenchError: no samples, labels out of range, a patch that the network cannot take, or a loss that
                is not finite.
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
            partial(_losses, network, settings.balance),
            poly(settings.steps, settings.power, settings.warmup),
            settings.clip,
        )
        train(f"train {self.name}", {"network": network}, [objective], patches, settings.steps, context)
        self._network = network.to(context.device).eval()

    def save(self, folder: Path) -> None:
        """Write the weights."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self._ready, folder / WEIGHTS)

    def load(self, folder: Path, device: str) -> None:
        """Read what `save` wrote."""
        self.load_checkpoint(folder / WEIGHTS, device)

    def load_checkpoint(self, file: Path, device: str) -> None:
        """Read a state dict of the network."""
        network = self.build()
        load_strict(network, read_checkpoint(file), file)
        self._network = network.to(device).eval()

    @torch.no_grad()  # not inference mode: methods may train on what comes out
    def predict(self, images: Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment volumes of one size, one after the other: float32 (B, C, D, H, W)."""
        self._check_patch()
        return [self._one(image[None], key, needs, seed) for image, key in zip(images, keys, strict=True)]

    def _one(self, image: Tensor, key: str, needs: Needs, seed: int) -> Prediction:
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
        """Logits (L, D, H, W) and, if wanted, features (C, d, h, w), blended over windows.

        Args:
            image: float32 (1, C, D, H, W).
        """
        found = sliding_window("segmenting volumes")(
            image,
            self.settings.patch,
            self.settings.windows,
            self._with_features if with_features else self._ready,
            overlap=self.settings.overlap,
            mode="gaussian",
            cval=PADDING,
        )
        if with_features:
            return found[0][0].float(), found[1][0].float()
        return found[0].float(), None

    def _with_features(self, window: Tensor) -> tuple[Tensor, Tensor]:
        heard: list[Tensor] = []
        last = self._ready.get_submodule(self.classifier)
        handle = last.register_forward_pre_hook(lambda module, inputs: heard.append(inputs[0]))
        try:
            logits: Tensor = self._ready(window)
        finally:
            handle.remove()
        return logits, self.as_spatial(heard[0])

    def as_spatial(self, features: Tensor) -> Tensor:
        """Features with their axes in the order (B, C, d, h, w)."""
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
    """An evenly spaced part of the samples, at least one."""
    return evenly(samples, max(1, round(len(samples) * part)))


def _losses(network: nn.Module, balance: float, batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
    """Cross entropy and soft Dice of patches (B, C, *patch) with labels (B, *patch)."""
    images, labels = batch
    logits = network(images).float()
    known = (labels != VOID)[:, None]
    hot = F.one_hot(labels.masked_fill(~known[:, 0], 0), logits.shape[1]).movedim(-1, 1).float() * known
    probabilities = torch.softmax(logits, dim=1) * known
    axes = (0, *range(2, logits.ndim))
    count = hot.sum(axes)
    # Without weights a tumour of a hundredth of the voxels is not predicted for thousands of steps.
    weight = count.clamp(min=1) ** -balance
    entropy = F.cross_entropy(logits, labels, weight, ignore_index=VOID, reduction="sum")
    # Over the batch, structures alone; one that no patch holds still asks for nothing to be predicted.
    overlap = 2 * (probabilities * hot).sum(axes)[1:] + 1
    total = (probabilities + hot).sum(axes)[1:] + 1
    mass = (weight * count).sum().clamp(min=1e-6)
    return {"cross_entropy": entropy / mass, "dice": 1 - (overlap / total).mean()}
