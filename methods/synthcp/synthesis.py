"""The synthesis module: a conditional GAN from label maps to images (paper, Section 3.1).

Eq. 3: x̂ = G(ŷ). It is trained on label-image pairs; one network serves all heads and both tasks. An image is
synthesized whole, at the cGAN's size; a volume in patches of that size, at its own (Section 4.1).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor

from ...benchmark.data.selection import shuffled
from ...benchmark.interfaces import (
    VOID,
    Config,
    Context,
    DatasetInfo,
    Float32,
    Labels,
    Preset,
    Protocol,
    Sample,
    Task,
)
from ...benchmark.interfaces.errors import BenchError
from ...benchmark.segmenters.volumetric.patches import Patches, Sampling
from ...benchmark.training import Objective, Schedule, constant, seed_everything, train
from ...benchmark.weights.checkpoints import load_strict, read_checkpoint, save_weights
from ...benchmark.weights.pretrained import LITE0, VGG19, find_weights
from ..building_blocks.dimensions import CHANNELS_LAST, Size, nearest, resized
from ..building_blocks.label_maps import one_hot
from .gan_losses import discriminator_hinge, feature_matching, generator_hinge
from .perceptual import Perceptual
from .spade import HIDDEN, Discriminator, Generator, Norm, SPADENorm, Upsampling, multiple
from .volume_patches import Range, ScaledPatches, slide

WEIGHTS = "generator.safetensors"
SAMPLES = 4
"""Images in a sheet of samples."""


class SynthesisConfig(Config):
    """Hyper-parameters of the conditional GAN.

    Attributes:
        size: height and width of the synthesized image, or the axes of a volume's patches; a single number is
            the height, and the width follows from the training images, or each axis of a patch.
        ngf, ndf: width of the generator and of the discriminator.
        upsampling: "more" and "most" start from a coarser map, "less" from a finer one.
        norm, spade_norm: of the generator's convolutions, and what labels modulate, see `Generator`.
        epochs: passes over the training split, where `steps` gives no number of updates.
        decay: part of the training, at its end, over which the rates fall to 0.
        feature_matching, perceptual, l1: weights of the losses beside the hinge loss.
        perceptual_weights: network of the perceptual loss; None for no such loss, as always in volumes.
        seed: of weights and order of images; runs of several seeds share one cGAN.
        sample_every: steps between two sheets of samples, kept beside the weights.
        weights: a generator trained elsewhere, taken as it is in place of training.
    """

    size: tuple[int, ...] | int = (256, 512)
    ngf: int = Field(64, ge=1)
    ndf: int = Field(64, ge=1)
    upsampling: Upsampling = "normal"
    norm: Norm = "spectral"
    spade_norm: SPADENorm = "batch"
    batch_size: int = Field(16, ge=1)
    epochs: float = Field(200, gt=0)
    steps: int | None = Field(None, ge=1)
    decay: float = Field(0.5, ge=0, le=1)
    generator_rate: float = Field(1e-4, gt=0)
    discriminator_rate: float = Field(4e-4, gt=0)
    feature_matching: float = Field(10.0, ge=0)
    perceptual: float = Field(10.0, ge=0)
    perceptual_weights: str | None = VGG19
    l1: float = Field(0.0, ge=0)
    flip: bool = True
    seed: int = Field(0, ge=0)
    sample_every: int = Field(500, ge=1)
    weights: Path | None = None

    def files(self) -> list[Path]:
        """The generator that it takes, or the network of its perceptual loss."""
        if self.weights is not None or not (self.perceptual and self.perceptual_weights):
            return super().files()
        return [find_weights(self.perceptual_weights)]


class Synthesizer:
    """A trained generator.

    Args:
        folder: what `train_cgan` has filled.
        config: as it was trained.
        classes: number of classes.
    """

    def __init__(self, folder: Path, config: SynthesisConfig, classes: int, device: str) -> None:
        state = load_file(folder / WEIGHTS)
        self.size = tuple(int(length) for length in state.pop("size"))
        self.classes = classes
        self.device = device
        self._generator = _generator(config, self.size, classes, len(state["conv_img.bias"]))
        self._generator.load_state_dict(state)
        self._generator.to(memory_format=CHANNELS_LAST[len(self.size)]).to(device).eval()

    @torch.no_grad()
    def __call__(self, labels: Tensor) -> Tensor:
        """Eq. 3 for a batch of label maps, int64 (B, *spatial), void 255.

        Returns:
            uint8 on the generator's device: images (B, 3, *size), volumes (B, C, *spatial).

        Raises:
            BenchError: a label is none of the network's classes.
        """
        labels = labels.to(self.device)
        wrong = labels[(labels != VOID) & ((labels < 0) | (labels >= self.classes))]
        if wrong.numel():
            raise BenchError(
                f"the label map holds class {int(wrong[0])}, but the cGAN knows {self.classes} classes"
            )
        if len(self.size) == 3:
            images = torch.stack([slide(self._whole, one, self.size) for one in labels])
        else:
            images = self._whole(torch.stack([nearest(one, self.size) for one in labels]))
        found: Tensor = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return found

    def _whole(self, labels: Tensor) -> Tensor:
        images: Tensor = self._generator(one_hot(labels, self.classes))
        return images


def _generator(config: SynthesisConfig, size: Size, classes: int, channels: int) -> Generator:
    # Volumes have few classes and many voxels: a narrow G needs no 128 channels before its modulation.
    hidden = min(HIDDEN, 4 * config.ngf) if len(size) == 3 else HIDDEN
    return Generator(
        classes, config.ngf, size, config.upsampling, config.norm, channels, hidden, config.spade_norm
    )


def train_cgan(config: SynthesisConfig, folder: Path, context: Context) -> None:
    """Train on the run's training split and write the generator below `folder`.

    A generator that the configuration names is written as it is.

    Raises:
        BenchError: there are no training samples, the weights of the perceptual loss are not here, or the
            configuration is of another dimension.
    """
    if not len(context.train) and not isinstance(config.size, tuple):
        raise BenchError("the cGAN needs a training split, or cgan.size with height and width")
    size = _size(config, context.train, context.info.ndim)
    classes, channels, ndim = len(context.info.classes), context.info.channels, context.info.ndim
    seed_everything(context.seed)
    generator = _generator(config, size, classes, channels)
    if config.weights is not None:
        context.weights["cgan"] = config.weights.name
        load_strict(generator, read_checkpoint(config.weights), config.weights)
        save_weights(generator, folder / WEIGHTS, size=torch.tensor(size))
        return
    if not len(context.train):
        raise BenchError("the cGAN needs a training split")
    discriminator = Discriminator(classes, config.ndf, ndim=ndim, channels=channels)
    for network in (generator, discriminator):
        network.to(memory_format=CHANNELS_LAST[ndim])
    used = config.perceptual_weights if config.perceptual else None
    if used is not None and ndim == 3:
        raise BenchError(
            "no network of the perceptual loss has three dimensions: cgan.perceptual_weights=null"
        )
    perceptual = Perceptual(used, context.device) if used else None
    context.weights["cgan perceptual loss"] = used or "none"
    game = Game(generator, discriminator, perceptual, config, classes, context.workspace / "samples")
    pairs = _batches(config, size, context)
    steps = config.steps or max(1, round(config.epochs * len(context.train) / config.batch_size))
    fall = linear_decay(steps, config.decay)
    train(
        "train cgan",
        {"generator": generator, "discriminator": discriminator},
        [
            Objective(_adam(generator, config.generator_rate), game.generator_losses, fall),
            Objective(_adam(discriminator, config.discriminator_rate), game.discriminator_losses, fall),
        ],
        pairs,
        steps,
        context,
    )
    save_weights(generator, folder / WEIGHTS, size=torch.tensor(size))
    shutil.copytree(game.samples, folder / game.samples.name)


def cgan(config: SynthesisConfig, context: Context) -> tuple[str, Synthesizer]:
    """The run's cGAN, trained when it is not there yet, and a key that stands for it."""
    folder = context.artifact("cgan", config, partial(train_cgan, config), seed=config.seed)
    classes = len(context.info.classes)
    network = context.memo.get(
        ("cgan", folder.name), lambda: Synthesizer(folder, config, classes, context.device)
    )
    return folder.name, network


@dataclass
class Game:
    """The two players' losses (Eq. 1 and 2, in the hinge form of SPADE).

    Attributes:
        samples: a folder for sheets of label, real and synthesized images.
    """

    generator: Generator
    discriminator: Discriminator
    perceptual: Perceptual | None
    config: SynthesisConfig
    classes: int
    samples: Path
    fake: Tensor | None = None

    def generator_losses(self, batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        """What G minimises."""
        real, labels = batch
        hot = one_hot(labels, self.classes)
        fake = self.generator(hot).float()
        self.fake = fake.detach()
        of_fake, of_real = self._judge(hot, fake, real)
        losses = {"generator": generator_hinge(of_fake)}
        if self.config.feature_matching:
            losses["feature matching"] = feature_matching(of_fake, of_real, self.config.feature_matching)
        if self.perceptual is not None:
            losses["perceptual"] = self.config.perceptual * self.perceptual(fake, real)
        if self.config.l1:
            losses["l1"] = self.config.l1 * F.l1_loss(fake, real)
        if step % self.config.sample_every == 0:
            write_sheet(self.samples / f"{step:06d}.png", labels, real, self.fake, self.classes)
        return losses

    def discriminator_losses(self, batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        """What D minimises, on the images that G has just made."""
        real, labels = batch
        assert self.fake is not None
        of_fake, of_real = self._judge(one_hot(labels, self.classes), self.fake, real)
        return {"discriminator": discriminator_hinge(of_real, of_fake)}

    def _judge(
        self, hot: Tensor, fake: Tensor, real: Tensor
    ) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """D's features of fake and of real images, in one batch so that norms see both alike."""
        both = torch.cat([torch.cat([hot, fake], dim=1), torch.cat([hot, real], dim=1)])
        found = self.discriminator(both.contiguous(memory_format=CHANNELS_LAST[both.ndim - 2]))
        half = len(hot)
        return [[f[:half] for f in scale] for scale in found], [[f[half:] for f in scale] for scale in found]


def _batches(config: SynthesisConfig, size: Size, context: Context) -> Callable[[int], Any]:
    if context.info.ndim == 2:
        return LabelImagePairs(context.train, size, config.batch_size, config.flip, config.seed)
    how = Sampling(structures=0.5, flip=0.5 if config.flip else 0.0, jitter=0.0)
    (depth, height, width), classes = size, len(context.info.classes)
    # Two volumes a batch: reading one takes longer than cutting it.
    per_volume = -(-config.batch_size // 2)
    patches = Patches(
        context.train, classes, config.batch_size, per_volume, (depth, height, width), how, config.seed
    )
    return ScaledPatches(patches, Range.of(context.train))


@dataclass(frozen=True)
class LabelImagePairs:
    """`pairs(n)` gives the n-th batch: images (B, 3, *size) in [-1, 1] and labels (B, *size)."""

    samples: Sequence[Sample]
    size: Size
    batch_size: int
    flip: bool
    seed: int

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """The batch of this number."""
        made = [self._one(number * self.batch_size + slot) for slot in range(self.batch_size)]
        return np.stack([image for image, _ in made]), np.stack([label for _, label in made])

    def _one(self, position: int) -> tuple[Float32, Labels]:
        sample = self.samples[shuffled(position, len(self.samples), self.seed, 2)]
        image, label = shrunk(sample.image, sample.truth.label, self.size)
        if self.flip and np.random.default_rng((self.seed, 3, position)).random() < 0.5:
            image, label = image[..., ::-1], label[..., ::-1]
        return np.ascontiguousarray(image * 2 - 1), np.ascontiguousarray(label)


def shrunk(image: Float32, label: Labels, size: Size) -> tuple[Float32, Labels]:
    """An image by area, its label map by nearest neighbour."""
    pixels, values = resized(torch.from_numpy(image), size), nearest(torch.from_numpy(label), size)
    return pixels.numpy(), values.numpy()


def linear_decay(steps: int, part: float) -> Schedule:
    """1, then over the last `part` of the steps linearly down to 0."""
    if part == 0:
        return constant
    return lambda step: min(1.0, (steps - step) / (steps * part))


def write_sheet(file: Path, labels: Tensor, real: Tensor, fake: Tensor, classes: int) -> None:
    """A picture of some label maps, real images and synthesized ones, a row each; volumes by a slice."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if labels.ndim == 4:
        middle = labels.shape[1] // 2
        labels = labels[:, middle]
        real, fake = (volumes[:, :1, middle].expand(-1, 3, -1, -1) for volumes in (real, fake))
    hues = np.linspace(0, 179, classes, endpoint=False).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 160), np.full_like(hues, 220)], axis=-1)
    table: npt.NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
    table[:classes] = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]
    rows: list[Any] = [np.concatenate([table[label] for label in labels[:SAMPLES].cpu().numpy()], axis=1)]
    for images in (real, fake):
        pixels = ((images[:SAMPLES].float() + 1) * 127.5).byte().permute(0, 2, 3, 1).cpu().numpy()
        rows.append(np.concatenate(list(pixels), axis=1))
    Image.fromarray(np.concatenate(rows)).save(file)


def _size(config: SynthesisConfig, samples: Sequence[Sample], ndim: int) -> Size:
    """The size of the images or patches, multiples of what the generator needs."""
    if isinstance(config.size, tuple):
        wanted: tuple[float, ...] = config.size
    elif ndim == 3:
        wanted = (config.size,) * 3
    else:
        rows, columns = samples[0].image.shape[1:]
        wanted = (config.size, config.size * columns / rows)
    if len(wanted) != ndim:
        raise BenchError(f"cgan.size {config.size} has {len(wanted)} axes, the data {ndim}")
    step = multiple(config.upsampling)
    return tuple(max(step, round(round(length) / step) * step) for length in wanted)


def _adam(network: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    # TTUR: the two players' rates differ; no momentum, as in SPADE.
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(0.0, 0.9), fused=True)


SMALL: dict[str, Any] = {
    "size": 96,
    "ngf": 16,
    "ndf": 32,
    "batch_size": 8,
    "steps": 500,
    "generator_rate": 4e-4,
    "discriminator_rate": 4e-4,
    "perceptual": 2.0,
    "perceptual_weights": LITE0,
    "l1": 5.0,
    "sample_every": 100,
}
MINI: dict[str, Any] = {**SMALL, "size": 64, "steps": 300}
SMOKE: dict[str, Any] = {
    **SMALL,
    "size": 32,
    "ngf": 4,
    "ndf": 4,
    "batch_size": 2,
    "steps": 4,
    "perceptual_weights": None,
}
VOLUMES: dict[Preset, dict[str, Any]] = {
    Preset.FULL: {"size": 64, "ngf": 32, "batch_size": 4},
    Preset.SMALL: {**SMALL, "size": 32, "ngf": 8, "ndf": 16, "batch_size": 2, "steps": 400},
    Preset.SMOKE: {**SMOKE, "size": 16},
}
"""Patches of volumes, for which nothing is published."""


def defaults(preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
    """The published schedules, or sizes for two cores; the text takes SPADE's own 200 epochs everywhere.

    The published code trains one cGAN for the experiment on anomalies and another for that on failures.
    """
    if dataset.ndim == 3:
        return {**VOLUMES[preset], "upsampling": "less", "perceptual_weights": None}
    if preset is Preset.FULL:
        schedule = {"epochs": 50, "decay": 0.0} if protocol is Protocol.OFFICIAL else {}
        failures = {"upsampling": "more", "batch_size": 12, **schedule}
        return {} if Task.ANOMALY in dataset.default_tasks else failures
    if preset is Preset.SMOKE:
        return SMOKE
    return MINI if dataset.miniature else SMALL
