"""A small 3-D U-Net with dropout (Çiçek et al., MICCAI 2016) that trains on two CPU cores."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ...interfaces import AnyConfig, DatasetInfo, Preset, Protocol
from .patches import Size
from .volume_segmenter import VolumeConfig, VolumeSegmenter


class UNet3DConfig(VolumeConfig):
    """Hyper-parameters of the U-Net, besides those of every segmenter of volumes.

    Attributes:
        widths: Channels of every level, finest first; every level halves the size.
        stride: Stride of the first convolution. With 2, all levels work at half of the size, for an eighth of
            the cost, and the logits are interpolated to the patch's size.
        dropout: Share of the channels that is dropped after every block of the decoder and after the coarsest
            level.
    """

    widths: tuple[int, ...] = Field((32, 64, 128, 256), min_length=2, max_length=4)
    stride: Literal[1, 2] = 1
    dropout: float = Field(0.1, ge=0, lt=1)


class UNet3D(nn.Module):
    """The network: (B, C, D, H, W) to logits (B, L, D, H, W).

    Depth, height and width must be multiples of stride * 2 ** (levels - 1).
    """

    def __init__(self, channels: int, classes: int, config: UNet3DConfig) -> None:
        super().__init__()
        widths = config.widths
        steps = list(pairwise(reversed(widths)))
        self.stride = config.stride
        # Kernel 4 with padding 1 halves the size exactly and stays centred.
        self.stem = (
            nn.Conv3d(channels, widths[0], 4, stride=2, padding=1) if self.stride == 2 else nn.Identity()
        )
        inputs = widths[0] if self.stride == 2 else channels
        self.down = nn.ModuleList(_block(a, b) for a, b in pairwise((inputs, *widths)))
        self.narrow = nn.ModuleList(nn.Conv3d(a, b, 1) for a, b in steps)
        self.up = nn.ModuleList(_block(2 * b, b) for _, b in steps)
        self.drop = nn.Dropout3d(config.dropout)
        self.classify = nn.Conv3d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits."""
        skips = []
        # In this memory format, convolutions of few channels take half the time on a CPU.
        x = self.stem(images.contiguous(memory_format=torch.channels_last_3d))
        for level, block in enumerate(self.down):
            x = block(F.max_pool3d(x, 2) if level else x)
            skips.append(x)
        x = self.drop(skips.pop())
        for narrow, block in zip(self.narrow, self.up, strict=True):
            coarse = F.interpolate(narrow(x), scale_factor=2.0)
            x = self.drop(block(torch.cat([coarse, skips.pop()], dim=1)))
        logits: Tensor = self.classify(x)
        if self.stride == 1:
            return logits
        return F.interpolate(logits, scale_factor=float(self.stride), mode="trilinear", align_corners=False)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv3d(channels, outputs, 3, padding=1, bias=False),
            # One group per channel is instance normalisation, but keeps the memory format.
            nn.GroupNorm(outputs, outputs),
            nn.LeakyReLU(0.01, inplace=True),
        ]
    return nn.Sequential(*layers)


_MINI = {
    "patch": (32, 48, 48),
    "widths": (16, 32, 64),
    "stride": 2,
    "steps": 300,
    "batch_size": 2,
    "per_volume": 1,
    "learning_rate": 1e-2,
    "warmup": 20,
}
_SMALL = {**_MINI, "patch": (40, 56, 40), "steps": 600}
_SMOKE = {**_MINI, "widths": (4, 8), "steps": 6, "warmup": 0}


class UNet3DSegmenter(VolumeSegmenter):
    """Segments volumes with the U-Net."""

    Config: ClassVar[type[AnyConfig]] = UNet3DConfig
    name: ClassVar[str] = "unet3d"
    classifier: ClassVar[str] = "classify"

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The preset's hyper-parameters: `full` is for a GPU, `small` takes minutes on two CPU cores.

        No schedule is published.
        """
        if preset is Preset.FULL:
            return {}
        if preset is Preset.SMOKE:
            return dict(_SMOKE)
        return dict(_MINI if dataset.miniature else _SMALL)

    @property
    def divisor(self) -> Size:
        """2 to the power of the number of times that the network halves the size."""
        unit = self.settings.stride * 2 ** (len(self.settings.widths) - 1)
        return unit, unit, unit

    @property
    def settings(self) -> UNet3DConfig:
        """The hyper-parameters, with their type."""
        assert isinstance(self.config, UNet3DConfig)
        return self.config

    def build(self) -> nn.Module:
        """Build the network with fresh weights."""
        network = UNet3D(self.dataset.channels, len(self.dataset.classes), self.settings)
        return network.to(memory_format=torch.channels_last_3d)
