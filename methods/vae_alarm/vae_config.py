"""Hyper-parameters of the VAE, and their values at each preset."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ...benchmark.interfaces import Config, DatasetInfo, Preset
from ...benchmark.interfaces.errors import BenchError
from ..building_blocks.layers_and_resizing import Size


class VAEConfig(Config):
    """Hyper-parameters of the VAE.

    Attributes:
        reconstruction: the loss between a map and its reconstruction: "cross-entropy", or "dice", in which
            small structures weigh as much as large ones.
        focus: the VAE sees the box of the foreground (classes from 1 on) with this margin at either side, as
            a part of the foreground's length; see `foreground_box`. None for the whole map.
        size: size of the label maps that the VAE sees, one number per axis. A single number is the length of
            the first axis, and the others keep the aspect. Rounded to multiples that the strides need.
        widths: channels of the encoder's blocks, each of stride 2; multiples of 4.
        latent: length of the code z.
        beta: weight of the Kullback-Leibler divergence. With cross entropy, 1 gives the evidence lower bound.
        epochs: passes over the training split, if `steps` is None.
        steps: number of optimizer steps.
        flip: whether to mirror label maps along the last axis at random.
        seed: seed of the training. Runs of several seeds share one VAE.
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


def map_size(config: VAEConfig, shape: Size) -> Size:
    """The size at which the VAE sees label maps of a shape.

    Raises:
        BenchError: `VAEConfig.size` has another number of axes.
    """
    step = 2 ** len(config.widths)
    if isinstance(config.size, int):
        lengths: tuple[float, ...] = tuple(config.size * length / shape[0] for length in shape)
    elif len(config.size) == len(shape):
        lengths = config.size
    else:
        raise BenchError(
            f"vae-alarm.vae.size {config.size} has {len(config.size)} axes, the data {len(shape)}: "
            f"name {len(shape)} lengths"
        )
    return tuple(max(step, round(length / step) * step) for length in lengths)


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
"""The hyper-parameters in which the VAE of volumes differs at every preset."""
VOLUME_SIZES: dict[Preset, dict[str, Any]] = {
    Preset.FULL: {"size": (128, 128, 128), "widths": (16, 32, 64, 128, 128), "batch_size": 4},
    Preset.SMALL: {"size": (32, 32, 32), "widths": (8, 16, 32), "latent": 64, "batch_size": 4, "steps": 1000},
    Preset.SMOKE: {**SMOKE, "size": (16, 16, 16)},
}


def vae_defaults(preset: Preset, dataset: DatasetInfo) -> dict[str, Any]:
    """The size of the VAE and the length of its training at a preset."""
    if dataset.ndim == 3:
        return VOLUMES | VOLUME_SIZES[preset]
    if preset is Preset.SMALL:
        return MINI if dataset.miniature else SMALL
    return SMOKE if preset is Preset.SMOKE else {}
