"""Segmenters of mmsegmentation that are small enough to train on two CPU cores."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ...weights.pretrained import LITE0
from .adapter import MMSegmenter


class DDRNet(MMSegmenter):
    """DDRNet-23-slim (Hong et al., 2021). Dropout is added before the classifier: the config has none."""

    name: ClassVar[str] = "ddrnet"
    full: ClassVar[Mapping[str, Any]] = {"steps": 120_000, "batch_size": 12}
    small_steps: ClassVar[int] = 2600
    mini_steps: ClassVar[int] = 700
    architecture: ClassVar[Mapping[str, Any]] = {
        "config": "ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024",
        "dropout": 0.1,
    }


class SegFormer(MMSegmenter):
    """SegFormer (Xie et al., 2021) with the encoder MiT-B0."""

    name: ClassVar[str] = "segformer"
    full: ClassVar[Mapping[str, Any]] = {
        "steps": 160_000,
        "optimizer": "adamw",
        "learning_rate": 6e-5,
        "weight_decay": 0.01,
        "warmup": 1500,
        "power": 1.0,
        "head_rate": 10.0,
    }
    small_steps: ClassVar[int] = 1300
    mini_steps: ClassVar[int] = 200
    architecture: ClassVar[Mapping[str, Any]] = {"config": "segformer_mit-b0_8xb1-160k_cityscapes-1024x1024"}


class DeepLabV3Plus(MMSegmenter):
    """DeepLabV3+ (Chen et al., 2018) with ResNet-18."""

    name: ClassVar[str] = "deeplabv3plus-r18"
    small_steps: ClassVar[int] = 450
    mini_steps: ClassVar[int] = 150
    architecture: ClassVar[Mapping[str, Any]] = {
        "config": "deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024"
    }


class Lite0(MMSegmenter):
    """EfficientNet-Lite0 with ImageNet weights and SegFormer's all-MLP head."""

    name: ClassVar[str] = "lite0"
    full: ClassVar[Mapping[str, Any]] = {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.01}
    small_steps: ClassVar[int] = 600
    mini_steps: ClassVar[int] = 300
    reduced: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "balance": 1.1}
    architecture: ClassVar[Mapping[str, Any]] = {"config": "lite0", "pretrained": LITE0}
