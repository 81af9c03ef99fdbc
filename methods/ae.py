"""Autoencoder: an autoencoder of training images rebuilds unusual things badly.

The baseline AE of SynthCP's Table 3, after Baur et al., "Deep autoencoding models for unsupervised anomaly
segmentation in brain MR images", BrainLes 2018, with a spatial code and no fully connected layer.
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
from .building_blocks.layers_and_resizing import BATCH_NORM, CONVOLUTION, Size, enlarged, resized
from .building_blocks.training_draws import is_mirrored, number_of_steps

WEIGHTS = "autoencoder.safetensors"
SLOPE = 0.2


class AEConfig(Config):
    """Hyper-parameters.

    Attributes:
        rows: height of the images that the network sees. Width and, in volumes, depth keep the aspect.
        widths: channels of the encoder's blocks, each of stride 2.
        code: channels of the code, which has one vector per place of the coarsest map.
        epochs: passes over the training split, if `steps` is None.
        steps: number of optimizer steps.
        flip: whether to mirror images at random.
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
    """An encoder of stride-2 convolutions to a spatial code, and a decoder back, for images of any size.

    Args:
        channels: channels of the image.
        ndim: number of spatial axes, 2 or 3.
        config: widths of the layers and of the code.
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
        # Photographs are in [0, 1]; intensities of MR volumes have no bounds.
        self.bounded = nn.Sigmoid() if ndim == 2 else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Rebuild images float32 (B, C, *spatial), whose sides are multiples of 2 to the number of blocks."""
        rebuilt: Tensor = self.bounded(self.decoder(self.encoder(images)))
        return rebuilt


def _block(ndim: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    conv = CONVOLUTION[ndim](inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, BATCH_NORM[ndim](outputs), nn.LeakyReLU(SLOPE))


class AE(Method):
    """The score of a pixel is |x - D(E(x))|, the mean over channels, of encoder E and decoder D."""

    Config = AEConfig
    config: AEConfig
    _network: AutoEncoder

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Sizes and lengths of a preset. None is published; `full` has the height of SynthCP's synthesis."""
        if preset is Preset.SMOKE:
            return SMOKE
        if dataset.ndim == 3:
            return VOLUMES[preset]
        if preset is Preset.FULL:
            return {}
        return MINI if dataset.miniature else SMALL

    def fit_on(self) -> FitOn:
        """Images of the training split. Their labels are not read."""
        return FitOn.labels()

    def fit_key(self) -> dict[str, Any]:
        """The hyper-parameters without the task: every task learns the same."""
        return self.config.model_dump(mode="json")

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train the autoencoder on the training images, with the l1 loss.

        Raises:
            BenchError: there are no training samples.
        """
        if not len(pairs):
            raise BenchError("the autoencoder needs a training split, and the data set has none")
        config = self.config
        size = seen_size(pairs[0].sample.image, config)
        steps = number_of_steps(config.steps, config.epochs, len(pairs), config.batch_size)
        seed_everything(context.seed)
        network = AutoEncoder(context.info.channels, context.info.ndim, config)
        optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)

        def losses(batch: Tensor, step: int) -> dict[str, Tensor]:
            return {"l1": F.l1_loss(network(batch).float(), batch)}

        batches = ImageBatches(pairs, size, config.batch_size, config.flip, context.seed)
        objective = Objective(optimizer, losses, poly(steps))
        train("train ae", {"network": network}, [objective], batches, steps, context)
        self._network = network

    def save(self, folder: Path) -> None:
        """Write the autoencoder."""
        save_weights(self._network, folder / WEIGHTS)

    def load(self, folder: Path, context: Context) -> None:
        """Read the autoencoder."""
        self._network = AutoEncoder(context.info.channels, context.info.ndim, self.config)
        self._network.load_state_dict(load_file(folder / WEIGHTS))
        self._network.to(context.device).eval()

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Compute the error at the size that the network sees, and enlarge it to the size of the image."""
        return [self._score_image(item.view.image, context.device) for item in batch]

    @torch.no_grad()
    def _score_image(self, image: Float32, device: str) -> Scores:
        seen = resized(torch.from_numpy(image), seen_size(image, self.config)).to(device)
        rebuilt = self._network(seen[None])[0]
        error = (seen - rebuilt).abs().mean(dim=0)[None, None]  # 1/C Σ_c |x_c - D(E(x))_c|
        pixel = enlarged(error, image.shape[1:])[0, 0]
        pixels = (rebuilt.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        return Scores(pixel=pixel.cpu().numpy(), shown={"rebuilt": pixels} if len(pixels) == 3 else {})


@dataclass(frozen=True)
class ImageBatches:
    """Training batches: `batches(n)` gives the n-th, float32 (B, C, *size).

    Attributes:
        pairs: the training samples.
        size: the size that the network sees.
        seed: of order and mirroring.
    """

    pairs: Pairs
    size: Size
    batch_size: int
    flip: bool
    seed: int

    def __call__(self, number: int) -> Float32:
        """The batch of a number, from 0."""
        return np.stack([self._image(number * self.batch_size + slot) for slot in range(self.batch_size)])

    def _image(self, position: int) -> Float32:
        sample = self.pairs[shuffled(position, len(self.pairs), self.seed, 7)].sample
        small = resized(torch.from_numpy(sample.image), self.size).numpy()
        if self.flip and is_mirrored(position, self.seed, 8):
            small = small[..., ::-1]
        return np.ascontiguousarray(small)


def seen_size(image: Float32, config: AEConfig) -> Size:
    """The size at which the network sees an image (C, *spatial), rounded to what its strides need."""
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
