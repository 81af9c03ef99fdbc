"""The synthesis module: a conditional GAN from label maps to images (paper, Section 3.1).

Eq. 3: x̂ = G(ŷ). It is trained on label-image pairs; one network serves all heads and both tasks.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import Field
from safetensors.torch import load_file
from segalarm.benchmark.checkpoints import load_strict, read_checkpoint, save_weights
from segalarm.benchmark.errors import BenchError
from segalarm.benchmark.interfaces import VOID, Config, Context, Float32, Labels, Sample
from segalarm.benchmark.loading import shuffled
from segalarm.benchmark.pretrained import LITE0, VGG19
from segalarm.benchmark.training import Objective, Schedule, constant, seed_everything, train
from segalarm.methods.labels import one_hot
from segalarm.methods.synthcp.gan_losses import discriminator_hinge, feature_matching, generator_hinge
from segalarm.methods.synthcp.perceptual import Perceptual
from segalarm.methods.synthcp.spade import Discriminator, Generator, multiple
from torch import Tensor

WEIGHTS = "generator.safetensors"
SAMPLES = 4
"""Images in a sheet of samples."""


class SynthesisConfig(Config):
    """Hyper-parameters of the conditional GAN.

    Attributes:
        size: height and width of the synthesized image; a single number is the height, and the width
            follows from the training images.
        ngf, ndf: width of the generator and of the discriminator.
        upsampling: "more" and "most" start from a coarser map.
        epochs: passes over the training split, where `steps` gives no number of updates.
        decay: part of the training, at its end, over which the rates fall to 0.
        feature_matching, perceptual, l1: weights of the losses beside the hinge loss.
        perceptual_weights: network of the perceptual loss; None for no such loss.
        seed: of weights and order of images; runs of several seeds share one cGAN.
        sample_every: steps between two sheets of samples, kept beside the weights.
        weights: a generator trained elsewhere, taken as it is in place of training.
    """

    size: tuple[int, int] | int = (256, 512)
    ngf: int = Field(64, ge=1)
    ndf: int = Field(64, ge=1)
    upsampling: Literal["normal", "more", "most"] = "normal"
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


class Synthesizer:
    """A trained generator.

    Args:
        folder: what `train_cgan` has filled.
        config: as it was trained.
        classes: number of classes.
    """

    def __init__(self, folder: Path, config: SynthesisConfig, classes: int, device: str) -> None:
        state = load_file(folder / WEIGHTS)
        height, width = (int(length) for length in state.pop("size"))
        self.size = (height, width)
        self.classes = classes
        self.device = device
        self._generator = Generator(classes, config.ngf, self.size, config.upsampling)
        self._generator.load_state_dict(state)
        self._generator.to(memory_format=torch.channels_last).to(device).eval()

    @torch.no_grad()
    def __call__(self, labels: Tensor) -> Tensor:
        """Eq. 3 for a batch of label maps, int64 (B, H, W), void 255.

        Returns:
            uint8 (B, 3, *size) on the generator's device.

        Raises:
            BenchError: a label is none of the network's classes.
        """
        labels = labels.to(self.device)
        wrong = labels[(labels != VOID) & ((labels < 0) | (labels >= self.classes))]
        if wrong.numel():
            raise BenchError(
                f"the label map holds class {int(wrong[0])}, but the cGAN knows {self.classes} classes"
            )
        small = F.interpolate(labels[:, None].float(), self.size, mode="nearest").long()[:, 0]
        images = self._generator(one_hot(small, self.classes))
        found: Tensor = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return found


def train_cgan(config: SynthesisConfig, folder: Path, context: Context) -> None:
    """Train on the run's training split and write the generator below `folder`.

    A generator that the configuration names is written as it is.

    Raises:
        BenchError: there are no training samples, or the weights of the perceptual loss are not here.
    """
    if not len(context.train) and not isinstance(config.size, tuple):
        raise BenchError("the cGAN needs a training split, or cgan.size with height and width")
    size = _size(config, context.train)
    classes = len(context.info.classes)
    seed_everything(context.seed)
    generator = Generator(classes, config.ngf, size, config.upsampling)
    if config.weights is not None:
        context.weights["cgan"] = config.weights.name
        load_strict(generator, read_checkpoint(config.weights), config.weights)
        save_weights(generator, folder / WEIGHTS, size=torch.tensor(size))
        return
    if not len(context.train):
        raise BenchError("the cGAN needs a training split")
    discriminator = Discriminator(classes, config.ndf)
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)
    used = config.perceptual_weights if config.perceptual else None
    perceptual = Perceptual(used, context.device) if used else None
    context.weights["cgan perceptual loss"] = used or "none"
    game = Game(generator, discriminator, perceptual, config, classes, context.workspace / "samples")
    pairs = LabelImagePairs(context.train, size, config.batch_size, config.flip, config.seed)
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
        found = self.discriminator(both.contiguous(memory_format=torch.channels_last))
        half = len(hot)
        return [[f[:half] for f in scale] for scale in found], [[f[half:] for f in scale] for scale in found]


@dataclass(frozen=True)
class LabelImagePairs:
    """`pairs(n)` gives the n-th batch: images (B, 3, *size) in [-1, 1] and labels (B, *size)."""

    samples: Sequence[Sample]
    size: tuple[int, int]
    batch_size: int
    flip: bool
    seed: int

    def __call__(self, number: int) -> tuple[Float32, Labels]:
        """The batch of this number."""
        cv2.setNumThreads(0)
        made = [self._one(number * self.batch_size + slot) for slot in range(self.batch_size)]
        return np.stack([image for image, _ in made]), np.stack([label for _, label in made])

    def _one(self, position: int) -> tuple[Float32, Labels]:
        sample = self.samples[shuffled(position, len(self.samples), self.seed, 2)]
        image, label = resized(sample.image, sample.truth.label, self.size)
        if self.flip and np.random.default_rng((self.seed, 3, position)).random() < 0.5:
            image, label = image[..., ::-1], label[:, ::-1]
        return np.ascontiguousarray(image * 2 - 1), np.ascontiguousarray(label)


def resized(image: Float32, label: Labels, size: tuple[int, int]) -> tuple[Float32, Labels]:
    """An image by area, its label map by nearest neighbour."""
    height, width = size
    pixels = cv2.resize(image.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_AREA)
    values = cv2.resize(label.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return pixels.transpose(2, 0, 1).astype(np.float32, copy=False), values.astype(np.int64)


def linear_decay(steps: int, part: float) -> Schedule:
    """1, then over the last `part` of the steps linearly down to 0."""
    if part == 0:
        return constant
    return lambda step: min(1.0, (steps - step) / (steps * part))


def write_sheet(file: Path, labels: Tensor, real: Tensor, fake: Tensor, classes: int) -> None:
    """A picture of some label maps, real images and synthesized ones, a row each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    hues = np.linspace(0, 179, classes, endpoint=False).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 160), np.full_like(hues, 220)], axis=-1)
    table: npt.NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
    table[:classes] = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]
    rows: list[Any] = [np.concatenate([table[label] for label in labels[:SAMPLES].cpu().numpy()], axis=1)]
    for images in (real, fake):
        pixels = ((images[:SAMPLES].float() + 1) * 127.5).byte().permute(0, 2, 3, 1).cpu().numpy()
        rows.append(np.concatenate(list(pixels), axis=1))
    Image.fromarray(np.concatenate(rows)).save(file)


def _size(config: SynthesisConfig, samples: Sequence[Sample]) -> tuple[int, int]:
    """Height and width of the images, multiples of what the generator needs."""
    step = multiple(config.upsampling)
    if isinstance(config.size, tuple):
        height, width = config.size
    else:
        rows, columns = samples[0].image.shape[1:]
        height, width = config.size, round(config.size * columns / rows)
    return max(step, round(height / step) * step), max(step, round(width / step) * step)


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
