"""Hyper-parameters of the conditional GAN, and their values at each preset and protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from ....benchmark.interfaces import Config, DatasetInfo, Preset, Protocol, Sample, Task
from ....benchmark.interfaces.errors import BenchError
from ....benchmark.weights.pretrained import LITE0, VGG19, find_weights
from ...building_blocks.layers_and_resizing import Size
from .spade import Norm, SPADENorm, Upsampling, multiple


class SynthesisConfig(Config):
    """Hyper-parameters of the conditional GAN.

    Attributes:
        size: size of the synthesized image, (height, width), or of the patches of volumes. A single number is
            the height of an image, whose width keeps the aspect, or the length of each axis of a patch.
        ngf: width of the generator, see `Generator`.
        ndf: width of the discriminator, see `Discriminator`.
        upsampling: number of doublings of the generator, see `Generator`. The published generators of both
            street data sets have "more".
        norm: normalization of the generator's convolutions, see `Generator`.
        spade_norm: the normalization that labels modulate, `spade` of `Generator`.
        epochs: passes over the training split, if `steps` is None.
        steps: number of optimizer steps.
        decay: part of the training, at its end, over which the learning rates fall to 0.
        generator_rate: learning rate of the generator.
        discriminator_rate: learning rate of the discriminator.
        feature_matching: weight of the feature-matching loss, beside the hinge loss of weight 1.
        perceptual: weight of the perceptual loss.
        perceptual_normalised: whether the network of the perceptual loss sees images normalised by ImageNet's
            mean and deviation, see `Perceptual`. The published code does not normalise, and its weight of 10
            means that; with normalisation the same weight counts about twice.
        l1: weight of the l1 loss.
        perceptual_weights: network of the perceptual loss. None for no such loss, as always in volumes.
        flip: whether to mirror images at random.
        seed: seed of the training. Runs of several seeds share one cGAN.
        sample_every: steps between two sheets of sample images, which are kept beside the weights.
        weights: the file of a generator that was trained elsewhere, to use instead of training one.
    """

    size: tuple[int, ...] | int = (256, 512)
    ngf: int = Field(64, ge=1)
    ndf: int = Field(64, ge=1)
    upsampling: Upsampling = "more"
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
    perceptual_normalised: bool = False
    l1: float = Field(0.0, ge=0)
    flip: bool = True
    seed: int = Field(0, ge=0)
    sample_every: int = Field(500, ge=1)
    weights: Path | None = None

    def files(self) -> list[Path]:
        """The file of the generator, or else that of the network of the perceptual loss."""
        if self.weights is not None or not (self.perceptual and self.perceptual_weights):
            return super().files()
        return [find_weights(self.perceptual_weights)]


def image_size(config: SynthesisConfig, samples: Sequence[Sample], ndim: int) -> Size:
    """The size of synthesized images or patches, rounded to multiples that the generator needs.

    Args:
        config: gives the wanted size.
        samples: the training samples, of whose first the aspect is taken.
        ndim: number of spatial axes of the data.

    Raises:
        BenchError: `SynthesisConfig.size` has another number of axes.
    """
    if isinstance(config.size, tuple):
        lengths: tuple[float, ...] = config.size
    elif ndim == 3:
        lengths = (config.size,) * 3
    else:
        rows, columns = samples[0].image.shape[1:]
        lengths = (config.size, config.size * columns / rows)
    if len(lengths) != ndim:
        raise BenchError(
            f"cgan.size {config.size} has {len(lengths)} axes, the data {ndim}: name {ndim} lengths"
        )
    step = multiple(config.upsampling)
    return tuple(max(step, round(round(length) / step) * step) for length in lengths)


SMALL: dict[str, Any] = {
    "size": 96,
    "upsampling": "normal",
    "ngf": 16,
    "ndf": 32,
    "batch_size": 8,
    "steps": 500,
    "generator_rate": 4e-4,
    "discriminator_rate": 4e-4,
    "perceptual": 2.0,
    "perceptual_weights": LITE0,
    "perceptual_normalised": True,
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
"""For volumes, of which patches are synthesized. Nothing is published."""


def cgan_defaults(preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
    """The published schedules at `full`, smaller networks and shorter schedules below.

    The published code trains one cGAN for the experiment on anomalies and another for that on failures. By
    the text of the paper, both are trained for SPADE's own 200 epochs. Both generators have "more"
    upsampling: the published data set modules of Cityscapes and of StreetHazards set it.
    """
    if dataset.ndim == 3:
        return {**VOLUMES[preset], "upsampling": "less", "perceptual_weights": None}
    if preset is Preset.FULL:
        schedule = {"epochs": 50, "decay": 0.0} if protocol is Protocol.OFFICIAL else {}
        return {} if Task.ANOMALY in dataset.default_tasks else {"batch_size": 12, **schedule}
    if preset is Preset.SMOKE:
        return SMOKE
    return MINI if dataset.miniature else SMALL
