"""A small U-Net of three dimensions with dropout (Çiçek et al., MICCAI 2016), for two CPU cores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from segalarm.benchmark.interfaces import Config as BaseConfig
from segalarm.benchmark.interfaces import DatasetInfo, Preset, Protocol
from segalarm.benchmark.segmenters.volume import VolumeConfig, VolumeSegmenter
from torch import Tensor, nn


class UNet3DConfig(VolumeConfig):
    """Hyper-parameters.

    Attributes:
        widths: channels of each level, finest first, multiples of 4; each level halves the size.
        dropout: ratio of channels that are dropped behind every block of the decoder and of the coarsest
            level.
    """

    widths: tuple[int, ...] = Field((32, 64, 128, 256), min_length=2, max_length=4)
    dropout: float = Field(0.2, ge=0, lt=1)


class UNet3D(nn.Module):
    """(B, C, D, H, W) to logits (B, L, D, H, W); sides are multiples of 2 ** (levels - 1)."""

    def __init__(self, channels: int, classes: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        steps = list(pairwise(reversed(widths)))
        self.down = nn.ModuleList(_block(a, b) for a, b in pairwise((channels, *widths)))
        self.narrow = nn.ModuleList(nn.Conv3d(a, b, 1) for a, b in steps)
        self.up = nn.ModuleList(_block(2 * b, b) for _, b in steps)
        self.drop = nn.Dropout3d(dropout)
        self.classify = nn.Conv3d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        skips = []
        # On a CPU, convolutions of few channels take half the time.
        x = images.contiguous(memory_format=torch.channels_last_3d)
        for level, block in enumerate(self.down):
            x = block(F.max_pool3d(x, 2) if level else x)
            skips.append(x)
        x = self.drop(skips.pop())
        for narrow, block in zip(self.narrow, self.up, strict=True):
            coarse = F.interpolate(narrow(x), scale_factor=2.0)
            x = self.drop(block(torch.cat([coarse, skips.pop()], dim=1)))
        logits: Tensor = self.classify(x)
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv3d(channels, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(outputs // 4, outputs),
            nn.LeakyReLU(0.01, inplace=True),
        ]
    return nn.Sequential(*layers)


_MINI = {"patch": (32, 48, 48), "widths": (8, 16, 32), "steps": 400, "batch_size": 2, "per_volume": 1}
_SMALL = {"patch": (40, 56, 40), "widths": (12, 24, 48), "steps": 600, "batch_size": 2, "per_volume": 1}
_SMOKE = {"patch": (16, 16, 16), "widths": (4, 8), "steps": 6, "batch_size": 2, "per_volume": 2}


class UNet3DSegmenter(VolumeSegmenter):
    """The U-Net as a segmenter."""

    Config: ClassVar[type[BaseConfig]] = UNet3DConfig
    name: ClassVar[str] = "unet3d"
    classifier: ClassVar[str] = "classify"

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """No schedule is published; `full` is for a GPU, `small` takes minutes on two cores."""
        if preset is Preset.FULL:
            return {}
        if preset is Preset.SMOKE:
            return dict(_SMOKE)
        return dict(_MINI if dataset.name.endswith("-mini") else _SMALL)

    @property
    def divisor(self) -> tuple[int, int, int]:  # type: ignore[override]
        """2 to the number of times that the size is halved."""
        unit = 2 ** (len(self.settings.widths) - 1)
        return unit, unit, unit

    @property
    def settings(self) -> UNet3DConfig:
        """The configuration, typed."""
        assert isinstance(self.config, UNet3DConfig)
        return self.config

    def build(self) -> nn.Module:
        """The network with fresh weights."""
        settings = self.settings
        network = UNet3D(self.dataset.channels, len(self.dataset.classes), settings.widths, settings.dropout)
        return network.to(memory_format=torch.channels_last_3d)
