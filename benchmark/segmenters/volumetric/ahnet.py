"""AH-Net (Liu et al., MICCAI 2018), the segmenter of Table 2, as MONAI has it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar

from torch import Tensor, nn

from ...interfaces import DatasetInfo, Preset, Protocol
from ...interfaces.errors import ExtraMissingError
from .patches import Size
from .volume_segmenter import VolumeSegmenter

try:
    from monai.networks.nets import AHNet as MonaiAHNet
except ImportError as error:
    raise ExtraMissingError("segmenter ah-net", "medical", "monai") from error

_SMOKE = {"patch": (32, 128, 128), "steps": 1, "batch_size": 1, "per_volume": 1}
_SMALL = {"patch": (32, 128, 128), "steps": 300, "batch_size": 1, "per_volume": 1}
"""Hours on two cores: 38 million parameters."""


class AHNet(MonaiAHNet):  # type: ignore[misc]
    """(B, C, D, H, W) to logits (B, L, D, H, W); its last axis, of thick slices, is our first.

    Trained from scratch: the published one starts from a ResNet-50 of ImageNet. Dropout, which it lacks,
    stands before the last convolution, so that the names of the weights remain MONAI's.
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
        """Logits."""
        logits: Tensor = super().forward(images.permute(0, 1, 3, 4, 2))
        return logits.permute(0, 1, 4, 2, 3)


class AHNetSegmenter(VolumeSegmenter):
    """AH-Net as a segmenter."""

    name: ClassVar[str] = "ah-net"
    classifier: ClassVar[str] = "final"

    @property
    def divisor(self) -> Size:
        """The least that its strides and pyramid take."""
        return 32, 128, 128

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """No schedule is published; `full` is for a GPU."""
        if preset is Preset.FULL:
            return {}
        return dict(_SMOKE if preset is Preset.SMOKE else _SMALL)

    def build(self) -> nn.Module:
        """The network with fresh weights."""
        return AHNet(self.dataset.channels, len(self.dataset.classes), self.settings.dropout)

    def as_spatial(self, features: Tensor) -> Tensor:
        """AH-Net computes in the order (H, W, D), at half of the height and width."""
        return features.permute(0, 1, 4, 2, 3)
