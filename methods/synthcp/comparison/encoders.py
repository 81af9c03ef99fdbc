"""Encoders of the comparison network, from an image and one more channel to four feature maps."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....benchmark.interfaces.errors import BenchError
from ....benchmark.segmenters.imagenet_encoders import lite0_encoder
from ....benchmark.weights.checkpoints import load_strict, read_checkpoint
from ....benchmark.weights.pretrained import LITE0, RESNET18, find_weights
from ...building_blocks.layers_and_resizing import BATCH_NORM, CONVOLUTION

Encoder = Literal["resnet18", "efficientnet-lite0", "small"]
SMALL = "small"
WIDTHS: dict[str, tuple[int, ...]] = {
    RESNET18: (64, 128, 256, 512),
    LITE0: (24, 40, 112, 320),
    SMALL: (16, 32, 64, 128),
}


def make_encoder(name: Encoder, pretrained: bool, ndim: int, channels: int) -> nn.Module:
    """Make an encoder of an image and one more channel.

    With ImageNet weights, the weights of the further channel start at zero.

    Args:
        name: the encoder.
        pretrained: whether it starts from ImageNet weights.
        ndim: 2 for images, 3 for volumes.
        channels: channels of the image.

    Raises:
        BenchError: the ImageNet weights are not on this machine, or the encoder has none in `ndim`
            dimensions, or the encoder itself does not exist in `ndim` dimensions.
    """
    if pretrained and (ndim == 3 or name == SMALL):
        raise BenchError(
            f"the encoder '{name}' has no ImageNet weights in {ndim} dimensions: "
            "set comparison.pretrained=false"
        )
    if name == SMALL:
        return ResidualEncoder(ndim, channels + 1, WIDTHS[SMALL], blocks=1)
    if ndim == 3 and name == RESNET18:
        return ResidualEncoder(ndim, channels + 1, WIDTHS[RESNET18], blocks=2)
    if ndim == 3:
        raise BenchError(f"the encoder '{name}' has two dimensions: set comparison.encoder=small or resnet18")
    if name == RESNET18:
        return ResNet18(pretrained)
    network: Any = lite0_encoder(LITE0 if pretrained else None)
    network.conv_stem = with_fourth_channel(network.conv_stem)
    encoder: nn.Module = network
    return encoder


class ResNet18(nn.Module):
    """The four stages of torchvision's ResNet-18, with a fourth input channel, for images.

    Args:
        pretrained: whether to start from ImageNet weights.
    """

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        from torchvision.models import resnet18

        network = resnet18()
        if pretrained:
            file = find_weights(RESNET18)
            load_strict(network, read_checkpoint(file), file)
        self.conv1 = with_fourth_channel(network.conv1)
        self.bn1 = network.bn1
        self.layer1, self.layer2 = network.layer1, network.layer2
        self.layer3, self.layer4 = network.layer3, network.layer4

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode float32 (B, 4, H, W) to maps of 64, 128, 256 and 512 channels at strides 4, 8, 16 and 32."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return _stages(x, (self.layer1, self.layer2, self.layer3, self.layer4))


class ResidualEncoder(nn.Module):
    """Four stages of residual blocks from scratch, in two or three dimensions.

    With two blocks per stage and the widths of ResNet-18 it is ResNet-18 with another stem: a single
    convolution of stride 2, since volumes are few voxels wide.

    Args:
        ndim: 2 for images, 3 for volumes.
        inputs: number of input channels.
        widths: channels of each stage.
        blocks: number of blocks per stage.
    """

    def __init__(self, ndim: int, inputs: int, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_normed(ndim, inputs, widths[0], 3, 2), nn.ReLU())
        self.stages = nn.ModuleList()
        for number, (before, width) in enumerate(pairwise((widths[0], *widths))):
            stride = 1 if number == 0 else 2
            first = ResidualBlock(ndim, before, width, stride)
            more = (ResidualBlock(ndim, width, width, 1) for _ in range(blocks - 1))
            self.stages.append(nn.Sequential(first, *more))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode float32 (B, inputs, *spatial) to maps of `widths` channels at strides 2, 4, 8 and 16."""
        return _stages(self.stem(x), self.stages)


class ResidualBlock(nn.Module):
    """Two 3-wide convolutions and a shortcut around them (He et al., CVPR 2016)."""

    def __init__(self, ndim: int, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        first, second = _normed(ndim, inputs, outputs, 3, stride), _normed(ndim, outputs, outputs, 3, 1)
        self.path = nn.Sequential(*first, nn.ReLU(), *second)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*_normed(ndim, inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 (B, inputs, *spatial) to (B, outputs, *spatial / stride)."""
        return F.relu(self.path(x) + self.shortcut(x))


def with_fourth_channel(conv: Any) -> Any:
    """Add an input channel with weights of zero to a 2-D convolution."""
    weight = conv.weight.data
    conv.weight = nn.Parameter(torch.cat([weight, torch.zeros_like(weight[:, :1])], dim=1))
    conv.in_channels += 1
    return conv


def _normed(ndim: int, inputs: int, outputs: int, kernel: int, stride: int) -> tuple[nn.Module, nn.Module]:
    conv = CONVOLUTION[ndim](inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, BATCH_NORM[ndim](outputs)


def _stages(x: Tensor, stages: Any) -> list[Tensor]:
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs
