"""AH-Net (Liu et al., MICCAI 2018), the segmenter of the paper's Table 2, in MONAI's implementation."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor, nn

from ...interfaces import AnyConfig, DatasetInfo, Preset, Protocol
from ...interfaces.errors import ExtraMissingError
from .patches import Size
from .volume_segmenter import VolumeConfig, VolumeSegmenter

try:
    from monai.networks.nets import AHNet as MonaiAHNet
except ImportError as error:
    raise ExtraMissingError("segmenter ah-net", "medical", "monai") from error

_SMOKE = {"patch": (32, 128, 128), "steps": 1, "batch_size": 1, "per_volume": 1}
_SMALL = {"patch": (32, 128, 128), "steps": 300, "batch_size": 1, "per_volume": 1}
"""Preset `small`: hours on two CPU cores, for the network has 38 million parameters."""


class AHNetConfig(VolumeConfig):
    """Hyper-parameters of AH-Net, besides those of every segmenter of volumes.

    Attributes:
        dropout: Share of the channels that is dropped before the last convolution. MONAI's network
            has no active dropout, but MCDropout, Jungo and Kwon of the paper's Table 2 draw passes from one.
    """

    dropout: float = Field(0.1, ge=0, lt=1)


class AHNet(MonaiAHNet):  # type: ignore[misc]
    """The network: (B, C, D, H, W) to logits (B, L, D, H, W).

    MONAI's network expects the axis of thick slices last, where this project has it first (D). Training
    starts from random weights; the published network starts from a ResNet-50 trained on ImageNet. Dropout,
    which MONAI's network has switched off, is inserted before the last convolution, so that the names of the
    weights remain MONAI's.
    """

    final: nn.Module

    def __init__(self, channels: int, classes: int, dropout: float) -> None:
        super().__init__(in_channels=channels, out_channels=classes)
        layers = OrderedDict(self.final.named_children())
        convolution, up = layers.pop("conv"), layers.pop("up")
        self.final = nn.Sequential(
            OrderedDict([*layers.items(), ("drop", nn.Dropout3d(dropout)), ("conv", convolution), ("up", up)])
        )

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits."""
        logits: Tensor = super().forward(images.permute(0, 1, 3, 4, 2))
        return logits.permute(0, 1, 4, 2, 3)


class AHNetSegmenter(VolumeSegmenter):
    """Segments volumes with AH-Net."""

    Config: ClassVar[type[AnyConfig]] = AHNetConfig
    name: ClassVar[str] = "ah-net"
    classifier: ClassVar[str] = "final"

    @property
    def divisor(self) -> Size:
        """The smallest patch that the network's strides and pyramid accept."""
        return 32, 128, 128

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The preset's hyper-parameters: `full` is for a GPU. No schedule is published."""
        if preset is Preset.FULL:
            return {}
        return dict(_SMOKE if preset is Preset.SMOKE else _SMALL)

    def build(self) -> nn.Module:
        """Build the network with fresh weights."""
        return AHNet(self.dataset.channels, len(self.dataset.classes), self.settings.dropout)

    def as_spatial(self, features: Tensor) -> Tensor:
        """Bring features from AH-Net's order (H, W, D), at half of height and width, into ours."""
        return features.permute(0, 1, 4, 2, 3)
