"""FCN-8s on VGG-16 (Long, Shelhamer and Darrell, CVPR 2015) as a backbone and a head of mmsegmentation.

To be imported after `make_mmseg_importable()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import VGG
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

BORDER = 99
"""Width of the zeros around the image, so that the 7 x 7 convolution can be centred on the image's edge."""
POOLS = (2, 3, 4)
"""Indices of VGG-16's stages that end in pool3, pool4 and pool5."""
WIDTHS = (256, 512, 512)
"""Channels of pool3, pool4 and pool5."""
HIDDEN = 4096
"""Channels of the convolutions that replace VGG-16's fully connected layers."""
SCALE3, SCALE4 = 0.0001, 0.01
"""Factors on pool3 and pool4, as in the published Caffe model ("at-once" training)."""


@MODELS.register_module()
class VGG16Pools(VGG):  # type: ignore[misc]
    """The backbone: VGG-16's last three pooled maps of an image with a wide border.

    A fourth, empty output has the image's size, from which the head knows where to cut its logits.
    """

    def __init__(self) -> None:
        super().__init__(16, out_indices=POOLS, ceil_mode=True)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute pool3, pool4, pool5 and a tensor (B, 0, H, W) from images, float32 (B, 3, H, W)."""
        return (*super().forward(F.pad(images, (BORDER,) * 4)), images[:, :0])


@MODELS.register_module()
class FCN8sHead(BaseDecodeHead):  # type: ignore[misc]
    """The head: VGG-16's classifier as convolutions, refined by classifiers of pool4 and pool3.

    The logits have the image's size. The upsampling is bilinear and not learned; its kernels are buffers, as
    in the published checkpoints.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            in_channels=[*WIDTHS, 0],
            in_index=[0, 1, 2, 3],
            input_transform="multiple_select",
            channels=HIDDEN,
            init_cfg=None,
            **kwargs,
        )
        self.fc6 = nn.Conv2d(WIDTHS[2], HIDDEN, 7)
        self.fc7 = nn.Conv2d(HIDDEN, HIDDEN, 1)
        self.dropout6 = nn.Dropout2d(self.dropout_ratio)
        self.score_pool3 = nn.Conv2d(WIDTHS[0], self.num_classes, 1)
        self.score_pool4 = nn.Conv2d(WIDTHS[1], self.num_classes, 1)
        for score in (self.score_pool3, self.score_pool4):
            nn.init.zeros_(score.weight)
            nn.init.constant_(score.get_parameter("bias"), 0)
        self.upscore2: Tensor
        self.upscore8: Tensor
        self.register_buffer("upscore2", _bilinear(self.num_classes, 2))
        self.register_buffer("upscore8", _bilinear(self.num_classes, 8))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute logits (B, L, H, W) from the outputs of `VGG16Pools`."""
        pool3, pool4, pool5, image = self._transform_inputs(inputs)
        x = self.dropout6(F.relu(self.fc6(pool5)))
        x = F.conv_transpose2d(self.cls_seg(F.relu(self.fc7(x))), self.upscore2, stride=2)
        x = x + _cut(self.score_pool4(SCALE4 * pool4), x, 5)
        x = F.conv_transpose2d(x, self.upscore2, stride=2)
        x = x + _cut(self.score_pool3(SCALE3 * pool3), x, 9)
        x = F.conv_transpose2d(x, self.upscore8, stride=8)
        return _cut(x, image, 31)


def _bilinear(classes: int, factor: int) -> Tensor:
    """Make the kernel (L, L, 2 f, 2 f) of a transposed convolution that enlarges every class's map by f."""
    size = 2 * factor
    ramp = 1 - (torch.arange(size) - (factor - 0.5)).abs() / factor
    return torch.eye(classes)[:, :, None, None] * (ramp[:, None] * ramp)


def _cut(maps: Tensor, like: Tensor, offset: int) -> Tensor:
    """Cut maps to the height and width of `like`, starting at `offset` along both axes."""
    height, width = like.shape[2:]
    return maps[:, :, offset : offset + height, offset : offset + width]
