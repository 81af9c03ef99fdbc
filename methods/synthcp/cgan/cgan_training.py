"""The training of the conditional GAN on pairs of label map and image (Section 3.1)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ....benchmark.interfaces import Context
from ....benchmark.interfaces.errors import BenchError
from ....benchmark.training import Objective, Schedule, constant, seed_everything, train
from ....benchmark.weights.checkpoint_facts import facts_of
from ....benchmark.weights.checkpoints import load_strict, read_checkpoint, save_weights
from ...building_blocks.label_maps import one_hot
from ...building_blocks.layers_and_resizing import CHANNELS_LAST, Size
from ...building_blocks.training_draws import number_of_steps
from .discriminator import Discriminator
from .gan_losses import discriminator_hinge, feature_matching, generator_hinge
from .label_image_pairs import cgan_batches
from .perceptual import Perceptual
from .sample_sheets import write_sheet
from .spade import HIDDEN, Generator
from .synthesis_config import SynthesisConfig, image_size

WEIGHTS = "generator.safetensors"


def train_cgan(config: SynthesisConfig, folder: Path, context: Context) -> None:
    """Train the cGAN on the run's training split, and write the generator's weights below `folder`.

    If the configuration names a generator's `weights`, these are written, and nothing is trained.

    Raises:
        BenchError: there are no training samples, the weights of the perceptual loss are not on this machine,
            the configuration is for data of another number of axes, or the named `weights` do not fit.
    """
    if not len(context.train) and not isinstance(config.size, tuple):
        raise BenchError(
            "the cGAN needs a training split, or, with cgan.weights, cgan.size with height and width"
        )
    size = image_size(config, context.train, context.info.ndim)
    classes, channels, ndim = len(context.info.classes), context.info.channels, context.info.ndim
    seed_everything(context.seed)
    generator = make_generator(config, size, classes, channels)
    if config.weights is not None:
        context.weights["cgan"] = config.weights.name
        load_strict(generator, read_checkpoint(config.weights), config.weights)
        check_upsampling(config, config.weights)
        save_weights(generator, folder / WEIGHTS, size=torch.tensor(size))
        return
    if not len(context.train):
        raise BenchError("the cGAN needs a training split, and the data set has none")
    discriminator = Discriminator(classes, config.ndf, ndim=ndim, channels=channels)
    for network in (generator, discriminator):
        network.to(memory_format=CHANNELS_LAST[ndim])
    perceptual_name = config.perceptual_weights if config.perceptual else None
    if perceptual_name is not None and ndim == 3:
        raise BenchError(
            "no network of the perceptual loss has three dimensions: set cgan.perceptual_weights=null"
        )
    perceptual = (
        Perceptual(perceptual_name, context.device, config.perceptual_normalised) if perceptual_name else None
    )
    context.weights["cgan perceptual loss"] = perceptual_name or "none"
    game = Game(generator, discriminator, perceptual, config, classes, context.workspace / "samples")
    batches = cgan_batches(config, size, context)
    steps = number_of_steps(config.steps, config.epochs, len(context.train), config.batch_size)
    decay = linear_decay(steps, config.decay)
    train(
        "train cgan",
        {"generator": generator, "discriminator": discriminator},
        [
            Objective(_adam(generator, config.generator_rate), game.generator_losses, decay),
            Objective(_adam(discriminator, config.discriminator_rate), game.discriminator_losses, decay),
        ],
        batches,
        steps,
        context,
    )
    save_weights(generator, folder / WEIGHTS, size=torch.tensor(size))
    shutil.copytree(game.samples, folder / game.samples.name)


def check_upsampling(config: SynthesisConfig, weights: Path) -> None:
    """Check that a generator's weights are used with the upsampling that their file records, if it does.

    The weights fit generators of any upsampling but "most", and compute another image in each of them.

    Raises:
        BenchError: the file records another upsampling than that of the configuration.
    """
    recorded = facts_of(weights).get("upsampling", config.upsampling)
    if recorded != config.upsampling:
        raise BenchError(
            f"cgan.upsampling={config.upsampling}, but the generator in {weights} was imported with "
            f"upsampling {recorded}: set cgan.upsampling={recorded}"
        )


def make_generator(config: SynthesisConfig, size: Size, classes: int, channels: int) -> Generator:
    """A generator with fresh weights, for images of a size and number of channels."""
    # Volumes have few classes and many voxels: a narrow generator needs no 128 channels before modulation.
    hidden = min(HIDDEN, 4 * config.ngf) if len(size) == 3 else HIDDEN
    return Generator(
        classes, config.ngf, size, config.upsampling, config.norm, channels, hidden, config.spade_norm
    )


@dataclass
class Game:
    """The losses of generator G and discriminator D (Eq. 1 and 2, in the hinge form of SPADE).

    Attributes:
        perceptual: the perceptual loss; None for no such loss.
        classes: number of classes.
        samples: the folder for sheets of sample images.
        fake: the images that G has made last.
    """

    generator: Generator
    discriminator: Discriminator
    perceptual: Perceptual | None
    config: SynthesisConfig
    classes: int
    samples: Path
    fake: Tensor | None = None

    def generator_losses(self, batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        """The losses that G minimises, by name."""
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
        """The loss that D minimises, on the images that G has made last."""
        real, labels = batch
        assert self.fake is not None
        of_fake, of_real = self._judge(one_hot(labels, self.classes), self.fake, real)
        return {"discriminator": discriminator_hinge(of_real, of_fake)}

    def _judge(
        self, hot: Tensor, fake: Tensor, real: Tensor
    ) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """D's outputs for fake and for real images, from one batch so that normalizations see both alike."""
        both = torch.cat([torch.cat([hot, fake], dim=1), torch.cat([hot, real], dim=1)])
        outputs = self.discriminator(both.contiguous(memory_format=CHANNELS_LAST[both.ndim - 2]))
        half = len(hot)
        of_fake = [[layer[:half] for layer in scale] for scale in outputs]
        return of_fake, [[layer[half:] for layer in scale] for scale in outputs]


def linear_decay(steps: int, part: float) -> Schedule:
    """A schedule of the learning rate: 1, then over the last `part` of the steps linearly down to 0."""
    if part == 0:
        return constant
    return lambda step: min(1.0, (steps - step) / (steps * part))


def _adam(network: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    # No momentum, as in SPADE. Generator and discriminator have different rates (TTUR, Heusel et al., 2017).
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(0.0, 0.9), fused=True)
