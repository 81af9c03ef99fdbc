"""EfficientNet-Lite0 (TensorFlow's "lite" variant of Tan and Le, ICML 2019) as a backbone of mmsegmentation.

The modules are named as in the file of the ImageNet weights, without the leading underscores. To be imported
after `make_mmseg_importable()`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn


class Stage(NamedTuple):
    """Blocks of one width. `expand` is the factor on the width inside a block, `kernel` the kernel's size."""

    expand: int
    channels: int
    blocks: int
    stride: int
    kernel: int


STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)
STEM = 32
"""Channels after the first convolution."""
OUTPUTS = (2, 4, 10, 15)
"""Indices of the last blocks at the strides 4, 8, 16 and 32, with 24, 40, 112 and 320 channels."""


@MODELS.register_module()
class EfficientNetLite0(nn.Module):
    """The encoder: feature maps at a quarter, an eighth, a sixteenth and a thirty-second of the image's size.

    For sizes that are multiples of 32 the padding is TensorFlow's "same", as in the training of the weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv(3, STEM, 3, stride=2)
        self.bn0 = _norm(STEM)
        self.act = nn.ReLU6(inplace=True)
        blocks = []
        width = STEM
        for stage in STAGES:
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(Block(width, stage.channels, stage.expand, stride, stage.kernel))
                width = stage.channels
        self.blocks = nn.ModuleList(blocks)

    def init_weights(self) -> None:
        """Keep the weights that torch draws; mmsegmentation calls this method of every part."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute four feature maps of normalised images, float32 (B, 3, H, W)."""
        x = self.act(self.bn0(self.conv_stem(images)))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in OUTPUTS:
                maps.append(x)
        return tuple(maps)


class Block(nn.Module):
    """Expansion, depthwise convolution and projection, with a shortcut where no size changes."""

    def __init__(self, width: int, channels: int, expand: int, stride: int, kernel: int) -> None:
        super().__init__()
        inner = width * expand
        self.expands = expand > 1
        if self.expands:
            self.expand_conv = nn.Conv2d(width, inner, 1, bias=False)
            self.bn0 = _norm(inner)
        self.depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner)
        self.bn1 = _norm(inner)
        self.project_conv = nn.Conv2d(inner, channels, 1, bias=False)
        self.bn2 = _norm(channels)
        self.act = nn.ReLU6(inplace=True)
        self.shortcut = stride == 1 and width == channels

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 (B, width, H, W) to (B, channels, H / stride, W / stride)."""
        y = self.act(self.bn0(self.expand_conv(x))) if self.expands else x
        y = self.act(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        output: Tensor = x + y if self.shortcut else y
        return output


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's padding: an odd pixel is added right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        total = kernel - stride
        symmetric = total % 2 == 0
        padding = total // 2 if symmetric else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.pad = None if symmetric else (total // 2, total - total // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        return super().forward(x if self.pad is None else F.pad(x, self.pad))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)
