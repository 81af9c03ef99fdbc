"""A variational auto-encoder of label maps, in two or three dimensions (Liu et al., ICCV 2019, Section 3.1).

It is trained on ground truth alone; then it is frozen, and says how well it rebuilds a segmentation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn

from ...benchmark.data.selection import shuffled
from ...benchmark.interfaces import VOID, Config, Context, DatasetInfo, Labels, Preset, Sample
from ...benchmark.interfaces.errors import BenchError
from ...benchmark.training import Objective, poly, seed_everything, train
from ...benchmark.weights.checkpoints import save_weights
from ..building_blocks.dimensions import CONVOLUTION, Size
from ..building_blocks.label_maps import around, one_hot, resized

WEIGHTS = "vae.safetensors"
GROUPS = 4
SLOPE = 0.2
TINY = 1e-6


class VAEConfig(Config):
    """Hyper-parameters of the VAE.

    Attributes:
        reconstruction: how a map and its reconstruction are compared: "cross-entropy", or "dice", which small
            structures weigh as much in as large ones.
        focus: how far around the foreground (classes from 1 on) the VAE looks, as a share of the
            foreground's own extent; None for the whole map.
        size: of the label maps that it sees, an axis each; a single number is the first axis, and the others
            follow from the training maps. Rounded to what the strides need.
        widths: channels of the encoder's blocks, each of stride 2; multiples of 4.
        latent: numbers in the code z.
        beta: weight of the Kullback-Leibler divergence; with cross entropy, 1 is the evidence lower bound.
        epochs: passes over the training split, where `steps` gives no number of updates.
        flip: mirror label maps along their last axis at random.
        seed: of weights, order and draws; runs of several seeds share one VAE.
    """

    reconstruction: Literal["cross-entropy", "dice"] = "cross-entropy"
    focus: float | None = Field(None, ge=0)
    size: tuple[int, ...] | int = 256
    widths: tuple[int, ...] = Field((32, 64, 128, 256, 256), min_length=1)
    latent: int = Field(128, ge=1)
    beta: float = Field(1.0, ge=0)
    batch_size: int = Field(16, ge=1)
    epochs: float = Field(100, gt=0)
    steps: int | None = Field(None, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    flip: bool = True
    seed: int = Field(0, ge=0)


class VAE(nn.Module):
    """Convolutions of stride 2 to a Gaussian code z, and back.

    Args:
        classes: number of classes.
        size: of the label maps, each axis a multiple of 2 to the number of blocks.
    """

    def __init__(self, classes: int, size: Size, config: VAEConfig) -> None:
        super().__init__()
        ndim, widths = len(size), config.widths
        self.coarse = tuple(length // 2 ** len(widths) for length in size)
        down, up = [classes, *widths], [*reversed(widths), widths[0]]
        self.encoder = nn.Sequential(*(_block(ndim, a, b, stride=2) for a, b in pairwise(down)))
        inner = widths[-1] * math.prod(self.coarse)
        self.to_code = nn.Linear(inner, 2 * config.latent)
        self.from_code = nn.Linear(config.latent, inner)
        self.decoder = nn.ModuleList(_block(ndim, a, b, stride=1) for a, b in pairwise(up))
        self.classify = CONVOLUTION[ndim](widths[0], classes, 1)

    def encode(self, hot: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (B, L, *size) to mean and log variance of z, (B, latent) each."""
        mean, log_variance = self.to_code(self.encoder(hot).flatten(1)).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """(B, latent) to logits (B, L, *size)."""
        x = self.from_code(z).view(len(z), -1, *self.coarse)
        for block in self.decoder:
            x = block(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        logits: Tensor = self.classify(x)
        return logits


def _block(ndim: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    conv = CONVOLUTION[ndim](inputs, outputs, 3, stride=stride, padding=1)
    return nn.Sequential(conv, nn.GroupNorm(GROUPS, outputs), nn.LeakyReLU(SLOPE))


def elbo(
    vae: VAE,
    labels: Tensor,
    classes: int,
    beta: float,
    sample: bool,
    reconstruction: Literal["cross-entropy", "dice"] = "cross-entropy",
) -> tuple[Tensor, Tensor, Tensor]:
    """The VAE's loss of label maps, int64 (B, *size).

    Args:
        sample: draw z; otherwise it is its mean.
        reconstruction: "cross-entropy" in nats a pixel that is not void, or "dice": 1 minus the soft Dice of
            the classes that are in the map, in mean.

    Returns:
        loss of the reconstruction (B,), beta times the divergence of z from the standard normal (B,), in nats
        (a pixel, with cross entropy), logits (B, L, *size).
    """
    hot = one_hot(labels, classes)
    mean, log_variance = vae.encode(hot)
    z = mean + torch.randn_like(mean) * (log_variance / 2).exp() if sample else mean
    logits = vae.decode(z).float()
    divergence = beta * (mean.square() + log_variance.exp() - 1 - log_variance).float().sum(dim=1) / 2
    if reconstruction == "dice":
        held = hot.flatten(2).any(dim=2)
        missed = (1 - _dice(soft_overlap(logits, hot))) * held
        return missed.sum(dim=1) / held.sum(dim=1).clamp_min(1), divergence, logits
    pixels = (labels != VOID).flatten(1).sum(dim=1).clamp_min(1)
    each = F.cross_entropy(logits, labels, ignore_index=VOID, reduction="none")
    return each.flatten(1).sum(dim=1) / pixels, divergence / pixels, logits


def soft_overlap(logits: Tensor, hot: Tensor) -> Tensor:
    """IoU of each class's map with its rebuilt probability.

    Args:
        logits, hot: float32 (B, L, *size); `hot` is one-hot, void zero in every channel.

    Returns:
        float32 (B, L) in [0, 1]; 0 for a class that is not in the map.
    """
    known = hot.sum(dim=1, keepdim=True)
    rebuilt = (torch.softmax(logits, dim=1) * known).flatten(2)
    hot = hot.flatten(2)
    both = (hot * rebuilt).sum(dim=2)
    return both / (hot.sum(dim=2) + rebuilt.sum(dim=2) - both).clamp_min(TINY)


def _dice(iou: Tensor) -> Tensor:
    return 2 * iou / (1 + iou)


class ShapeModel:
    """A trained, frozen VAE.

    Args:
        folder: what `train_vae` has filled.
        config: as it was trained.
        classes: number of classes.
    """

    def __init__(self, folder: Path, config: VAEConfig, classes: int, device: str) -> None:
        state = load_file(folder / WEIGHTS)
        self.size = tuple(int(length) for length in state.pop("size"))
        self.classes = classes
        self.config = config
        self.device = device
        self._vae = VAE(classes, self.size, config)
        self._vae.load_state_dict(state)
        self._vae.to(device).eval()

    @torch.no_grad()
    def loss(self, labels: Tensor) -> Tensor:
        """The VAE's loss of label maps, int64 (B, *spatial): reconstruction and divergence, (B,)."""
        reconstruction, divergence, _, _ = self._rebuilt(labels)
        return reconstruction + divergence

    @torch.no_grad()
    def losses(self, labels: Tensor) -> Tensor:
        """The loss of each structure's mask: 1 minus its soft Dice, and the divergence of the map's code.

        Args:
            labels: int64 (B, *spatial).

        Returns:
            float32 (B, L); largest for a structure that is not in the map.
        """
        _, divergence, logits, hot = self._rebuilt(labels)
        return 1 - _dice(soft_overlap(logits, hot)) + divergence[:, None]

    @torch.no_grad()
    def overlap(self, labels: Tensor) -> Tensor:
        """How well each class is rebuilt: IoU of its map with its rebuilt probability.

        Args:
            labels: int64 (B, *spatial).

        Returns:
            float32 (B, L) in [0, 1]; 0 for a class that is not in the map.
        """
        _, _, logits, hot = self._rebuilt(labels)
        return soft_overlap(logits, hot)

    def _rebuilt(self, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What `elbo` gives, and the one-hot map that the VAE has seen."""
        config = self.config
        seen = torch.cat([seen_map(one, self.size, config.focus) for one in labels.to(self.device)])
        found = elbo(self._vae, seen, self.classes, config.beta, False, config.reconstruction)
        return *found, one_hot(seen, self.classes)


def seen_map(labels: Tensor, size: Size, focus: float | None) -> Tensor:
    """A label map as the VAE sees it, int64 (*spatial) to (1, *size).

    Args:
        focus: as in the configuration.
    """
    return resized(labels[around(labels, focus)][None], size)


def train_vae(config: VAEConfig, folder: Path, context: Context) -> None:
    """Train on the ground truth of the run's training split and write the VAE below `folder`.

    Raises:
        BenchError: there are no training samples.
    """
    if not len(context.train):
        raise BenchError("the VAE needs a training split")
    size = _size(config, context.train[0].truth.label.shape)
    classes = len(context.info.classes)
    seed_everything(context.seed)
    vae = VAE(classes, size, config)
    steps = config.steps or max(1, round(config.epochs * len(context.train) / config.batch_size))
    optimizer = torch.optim.Adam(vae.parameters(), lr=config.learning_rate)

    def losses(batch: Tensor, step: int) -> dict[str, Tensor]:
        reconstruction, divergence, _ = elbo(
            vae, batch, classes, config.beta, sample=True, reconstruction=config.reconstruction
        )
        return {"reconstruction": reconstruction.mean(), "divergence": divergence.mean()}

    train(
        "train vae",
        {"vae": vae},
        [Objective(optimizer, losses, poly(steps))],
        LabelMaps(context.train, size, config.batch_size, config.flip, config.seed, config.focus),
        steps,
        context,
    )
    save_weights(vae, folder / WEIGHTS, size=torch.tensor(size))


def shape_model(config: VAEConfig, context: Context) -> ShapeModel:
    """The run's VAE, trained when it is not there yet."""
    folder = context.artifact("vae", config, partial(train_vae, config), seed=config.seed)
    classes = len(context.info.classes)
    return context.memo.get(("vae", folder.name), lambda: ShapeModel(folder, config, classes, context.device))


@dataclass(frozen=True)
class LabelMaps:
    """`maps(n)` gives the n-th batch of ground truth, int64 (B, *size), void where nothing is scored."""

    samples: Sequence[Sample]
    size: Size
    batch_size: int
    flip: bool
    seed: int
    focus: float | None = None

    def __call__(self, number: int) -> Labels:
        """The batch of this number."""
        first = number * self.batch_size
        return np.stack([self._one(first + slot) for slot in range(self.batch_size)])

    def _one(self, position: int) -> Labels:
        truth = self.samples[shuffled(position, len(self.samples), self.seed, 5)].truth
        small = seen_map(torch.from_numpy(truth.scored), self.size, self.focus)[0].numpy()
        if self.flip and np.random.default_rng((self.seed, 6, position)).random() < 0.5:
            small = small[..., ::-1]
        return np.ascontiguousarray(small)


def _size(config: VAEConfig, shape: Size) -> Size:
    step = 2 ** len(config.widths)
    if isinstance(config.size, int):
        wanted = tuple(config.size * length / shape[0] for length in shape)
    elif len(config.size) == len(shape):
        wanted = config.size
    else:
        raise BenchError(f"the VAE's size {config.size} has {len(config.size)} axes, the data {len(shape)}")
    return tuple(max(step, round(length / step) * step) for length in wanted)


SMALL: dict[str, Any] = {
    "size": 64,
    "widths": (16, 32, 64, 128),
    "latent": 64,
    "batch_size": 8,
    "steps": 1500,
}
MINI: dict[str, Any] = {**SMALL, "steps": 800}
SMOKE: dict[str, Any] = {"size": 16, "widths": (4, 8), "latent": 4, "batch_size": 2, "steps": 4}
VOLUMES: dict[str, Any] = {"reconstruction": "dice", "focus": 0.25, "beta": 0.001}
"""Where the VAE of volumes is another."""
VOLUME_SIZES: dict[Preset, dict[str, Any]] = {
    Preset.FULL: {"size": (128, 128, 128), "widths": (16, 32, 64, 128, 128), "batch_size": 4},
    Preset.SMALL: {"size": (32, 32, 32), "widths": (8, 16, 32), "latent": 64, "batch_size": 4, "steps": 1000},
    Preset.SMOKE: {**SMOKE, "size": (16, 16, 16)},
}


def defaults(preset: Preset, dataset: DatasetInfo) -> dict[str, Any]:
    """Sizes and lengths of a preset."""
    if dataset.ndim == 3:
        return VOLUMES | VOLUME_SIZES[preset]
    if preset is Preset.SMALL:
        return MINI if dataset.miniature else SMALL
    return SMOKE if preset is Preset.SMOKE else {}
