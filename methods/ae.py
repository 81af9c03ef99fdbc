"""Autoencoder: what an autoencoder of training images cannot rebuild is unusual.

The baseline AE of the paper's Table 3, after Baur et al., "Deep autoencoding models for unsupervised anomaly
segmentation in brain MR images", BrainLes 2018: a spatial code, no fully connected layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn

from ..benchmark.data.selection import shuffled
from ..benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    FitOn,
    Float32,
    Item,
    Method,
    Pairs,
    Preset,
    Protocol,
    Scores,
)
from ..benchmark.interfaces.errors import BenchError
from ..benchmark.training import Objective, poly, seed_everything, train
from ..benchmark.weights.checkpoints import save_weights
from .building_blocks.dimensions import BATCH_NORM, CONVOLUTION, Size, enlarged, resized

WEIGHTS = "autoencoder.safetensors"
SLOPE = 0.2


class AEConfig(Config):
    """Hyper-parameters.

    Attributes:
        rows: height of the images that the network sees; their width, in volumes also their depth, follows.
        widths: channels of the encoder's blocks, each of stride 2.
        code: channels of the code, a vector a place of the coarsest map.
        epochs: passes over the training split, where `steps` gives no number of updates.
        flip: mirror images at random.
    """

    rows: int = Field(256, ge=1)
    widths: tuple[int, ...] = Field((32, 64, 128, 256), min_length=1)
    code: int = Field(32, ge=1)
    batch_size: int = Field(16, ge=1)
    epochs: float = Field(50, gt=0)
    steps: int | None = Field(None, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    flip: bool = True


class AutoEncoder(nn.Module):
    """Convolutions of stride 2 to a code at each place, and back; for images of any size.

    Args:
        channels: of the image.
        ndim: number of its spatial axes.
    """

    def __init__(self, channels: int, ndim: int, config: AEConfig) -> None:
        super().__init__()
        widths, convolution = config.widths, CONVOLUTION[ndim]
        down = [_block(ndim, a, b, stride=2) for a, b in pairwise((channels, *widths))]
        self.encoder = nn.Sequential(*down, convolution(widths[-1], config.code, 1))
        up: list[nn.Module] = []
        for a, b in pairwise((config.code, *reversed(widths))):
            up += [nn.Upsample(scale_factor=2), _block(ndim, a, b, stride=1)]
        self.decoder = nn.Sequential(*up, convolution(widths[0], channels, 3, padding=1))
        # Photographs are in [0, 1]; intensities of MR have no bounds.
        self.bounded = nn.Sigmoid() if ndim == 2 else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """float32 (B, C, *spatial), sides multiples of 2 to the number of blocks; the same rebuilt."""
        rebuilt: Tensor = self.bounded(self.decoder(self.encoder(images)))
        return rebuilt


def _block(ndim: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    conv = CONVOLUTION[ndim](inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, BATCH_NORM[ndim](outputs), nn.LeakyReLU(SLOPE))


class AE(Method):
    """Score a pixel by |x - AE(x)|, the mean over channels."""

    Config = AEConfig
    config: AEConfig
    _network: AutoEncoder

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """No size is published; `full` takes the height that SynthCP's synthesis has."""
        if preset is Preset.SMOKE:
            return SMOKE
        if dataset.ndim == 3:
            return VOLUMES[preset]
        if preset is Preset.FULL:
            return {}
        return MINI if dataset.miniature else SMALL

    def fit_on(self) -> FitOn:
        """Images of the training split; their labels are not looked at."""
        return FitOn.labels()

    def fit_key(self) -> dict[str, Any]:
        """Every task learns the same."""
        return self.config.model_dump(mode="json")

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the network.

        Raises:
            BenchError: there are no training samples.
        """
        if not len(pairs):
            raise BenchError("the autoencoder needs a training split")
        config = self.config
        size = seen_size(pairs[0].sample.image, config)
        steps = config.steps or max(1, round(config.epochs * len(pairs) / config.batch_size))
        seed_everything(context.seed)
        network = AutoEncoder(context.info.channels, context.info.ndim, config)
        optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)

        def losses(batch: Tensor, step: int) -> dict[str, Tensor]:
            return {"l1": F.l1_loss(network(batch).float(), batch)}

        batches = Images(pairs, size, config.batch_size, config.flip, context.seed)
        objective = Objective(optimizer, losses, poly(steps))
        train("train ae", {"network": network}, [objective], batches, steps, context)
        self._network = network

    def save(self, folder: Path) -> None:
        """The network."""
        save_weights(self._network, folder / WEIGHTS)

    def load(self, folder: Path, context: Context) -> None:
        """Read the network."""
        self._network = AutoEncoder(context.info.channels, context.info.ndim, self.config)
        self._network.load_state_dict(load_file(folder / WEIGHTS))
        self._network.to(context.device).eval()

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """The error at the network's size, brought to the image's."""
        return [self._one(item.view.image, context.device) for item in batch]

    @torch.no_grad()
    def _one(self, image: Float32, device: str) -> Scores:
        seen = resized(torch.from_numpy(image), seen_size(image, self.config)).to(device)
        rebuilt = self._network(seen[None])[0]
        error = (seen - rebuilt).abs().mean(dim=0)[None, None]
        pixel = enlarged(error, image.shape[1:])[0, 0]
        pixels = (rebuilt.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        return Scores(pixel=pixel.cpu().numpy(), shown={"rebuilt": pixels} if len(pixels) == 3 else {})


@dataclass(frozen=True)
class Images:
    """`images(n)` gives the n-th batch, float32 (B, C, *size)."""

    pairs: Pairs
    size: Size
    batch_size: int
    flip: bool
    seed: int

    def __call__(self, number: int) -> Float32:
        """The batch of this number."""
        return np.stack([self._one(number * self.batch_size + slot) for slot in range(self.batch_size)])

    def _one(self, position: int) -> Float32:
        sample = self.pairs[shuffled(position, len(self.pairs), self.seed, 7)].sample
        small = resized(torch.from_numpy(sample.image), self.size).numpy()
        if self.flip and np.random.default_rng((self.seed, 8, position)).random() < 0.5:
            small = small[..., ::-1]
        return np.ascontiguousarray(small)


def seen_size(image: Float32, config: AEConfig) -> Size:
    """The size at which the network sees an image (C, *spatial), multiples of what its strides need."""
    step = 2 ** len(config.widths)
    rows = image.shape[-2]
    lengths = (config.rows * length / rows for length in image.shape[1:])
    return tuple(max(step, round(length / step) * step) for length in lengths)


SMALL: dict[str, Any] = {"rows": 128, "widths": (16, 32, 64), "code": 8, "batch_size": 8, "steps": 1500}
MINI: dict[str, Any] = {**SMALL, "rows": 64, "steps": 800}
SMOKE: dict[str, Any] = {"rows": 32, "widths": (4, 8), "code": 4, "batch_size": 2, "steps": 4}
VOLUMES: dict[Preset, dict[str, Any]] = {
    Preset.FULL: {"rows": 128, "batch_size": 4},
    Preset.SMALL: {**SMALL, "rows": 48, "batch_size": 4, "steps": 300},
}
