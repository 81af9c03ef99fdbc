"""The parts of DeepLab on ResNet-101 that mmsegmentation lacks, registered with it.

To be imported after `make_mmseg_importable()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.backbones import ResNet
from mmseg.models.decode_heads import ASPPHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class CeilResNet(ResNet):  # type: ignore[misc]
    """mmsegmentation's ResNet with the max pooling of the Caffe networks, which rounds sizes up."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.maxpool.ceil_mode = True


@MODELS.register_module()
class PointwiseASPPHead(ASPPHead):  # type: ignore[misc]
    """The head of SynthCP's published "Deeplab".

    The convolution after the branches is 1 x 1 where mmsegmentation's head of DeepLab-v3 has 3 x 3.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bottleneck = ConvModule(
            (len(self.dilations) + 1) * self.channels,
            self.channels,
            1,
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg,
        )


@MODELS.register_module()
class ASPPSumHead(BaseDecodeHead):  # type: ignore[misc]
    """The head of DeepLab-v2 (Chen et al., PAMI 2018): the sum of dilated 3 x 3 classifiers.

    Args:
        dilations: The dilation of every classifier.
    """

    def __init__(self, dilations: Sequence[int] = (6, 12, 18, 24), **kwargs: Any) -> None:
        super().__init__(init_cfg={"type": "Normal", "std": 0.01, "layer": "Conv2d"}, **kwargs)
        self.conv_seg = nn.Identity()
        self.branches = nn.ModuleList(
            nn.Conv2d(self.in_channels, self.num_classes, 3, padding=dilation, dilation=dilation)
            for dilation in dilations
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute logits (B, L, h, w) from the backbone's feature maps."""
        x = self._transform_inputs(inputs)
        if self.dropout is not None:
            x = self.dropout(x)
        return torch.stack([branch(x) for branch in self.branches]).sum(dim=0)
