"""The segmenters of SynthCP's experiments, with the schedules of its published code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ...interfaces import DatasetInfo, Preset, Protocol
from ...interfaces.errors import BenchError
from ...weights.pretrained import find_weights
from .adapter import MMSegmenter

STREET_SCALES = (300, 375, 450, 525, 600)
"""Lengths of the short side of StreetHazards' images, in training and in the test averaged over scales."""


class PaperSegmenter(MMSegmenter):
    """A segmenter whose authors start its training from ImageNet weights.

    The preset `full` needs the ImageNet weights. The preset `small` uses them if they are on this machine;
    the record says whether they were used. The preset `smoke` starts from random weights.
    """

    imagenet: ClassVar[str]
    """Name of the ImageNet weights, as `find_weights` knows them."""
    small_steps: ClassVar[int] = 300
    mini_steps: ClassVar[int] = 100

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The preset's hyper-parameters.

        `full` has the published schedule, `small` takes tens of minutes to hours on two CPU cores, `smoke`
        takes seconds.
        """
        chosen = super().defaults(preset, protocol, dataset)
        if preset is Preset.SMOKE:
            chosen |= cls.reduced
        if preset is Preset.FULL or (preset is Preset.SMALL and _on_this_machine(cls.imagenet)):
            chosen["pretrained"] = cls.imagenet
        return chosen


class FCN8s(PaperSegmenter):
    """FCN-8s on VGG-16, trained at 256 x 512.

    Training starts from VGG-16's ImageNet weights, including those of its first two fully connected layers.
    """

    name: ClassVar[str] = "fcn8s"
    imagenet: ClassVar[str] = "vgg16"
    full: ClassVar[Mapping[str, Any]] = {
        "steps": 100_000,
        "learning_rate": 2e-4,
        "momentum": 0.99,
        "power": 0.0,
        "augment": {"scale": (1.0, 1.0), "jitter": 0.0},
    }
    reduced: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 1e-4
    }  # without norm layers, a larger rate diverges
    architecture: ClassVar[Mapping[str, Any]] = {"config": "fcn8s"}
    decoder: ClassVar[str] = "decode_head.conv_seg"
    branch: ClassVar[tuple[str, ...]] = ("backbone.features.16", "backbone.features.23", "decoder")

    def pretrained_state(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Add VGG-16's first two fully connected layers, reshaped to convolutions."""
        state = super().pretrained_state(published)
        for name, layer, shape in (("fc6", 0, (-1, 512, 7, 7)), ("fc7", 3, (4096, 4096, 1, 1))):
            for part in ("weight", "bias"):
                value = published.get(f"classifier.{layer}.{part}")
                if value is not None:
                    state[f"decode_head.{name}.{part}"] = value.view(shape) if part == "weight" else value
        return state


_RESNET101: dict[str, Any] = {
    "steps": 50_000,
    "horizon": 250_000,
    "learning_rate": 2e-4,
    "momentum": 0.99,
    "augment": {"scale": (1.0, 1.0), "jitter": 0.0},
}


class DeepLab(PaperSegmenter):
    """The network that SynthCP's published code calls DeepLab.

    A ResNet-101 is followed by atrous spatial pyramid pooling with five branches.
    """

    name: ClassVar[str] = "deeplab"
    imagenet: ClassVar[str] = "resnet101"
    full: ClassVar[Mapping[str, Any]] = _RESNET101
    architecture: ClassVar[Mapping[str, Any]] = {"config": "deeplab"}

    def pretrained_state(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Accept also a file whose names begin with one more part, as DeepLab's own initial weights do."""
        inner = {key.partition(".")[2]: value for key, value in published.items() if "." in key}
        return super().pretrained_state(inner) | super().pretrained_state(published)


class DeepLabV2(DeepLab):
    """DeepLab-v2, which SynthCP's text names: the sum of four dilated classifiers on ResNet-101."""

    name: ClassVar[str] = "deeplab-v2"
    architecture: ClassVar[Mapping[str, Any]] = {"config": "deeplab_v2"}


class PSPNet(PaperSegmenter):
    """The published segmenter of StreetHazards: PSPNet on a dilated ResNet-50, tested at five scales.

    The features of the layer "decoder" are the concatenated maps of the pyramid pooling, which Eq. 9 of
    SynthCP compares.
    """

    name: ClassVar[str] = "pspnet"
    imagenet: ClassVar[str] = "resnet50-deep-stem"
    full: ClassVar[Mapping[str, Any]] = {
        "steps": 100_000,
        "batch_size": 2,
        "learning_rate": 0.02,
        "weight_decay": 1e-4,
        "crop": (568, 1000),
        # From 300 / 720 to 1000 / 1280: the long side is at most 1000.
        "augment": {"scale": (300 / 720, 1000 / 1280), "jitter": 0.0},
        "scales": STREET_SCALES,
        "divisor": 8,
    }
    architecture: ClassVar[Mapping[str, Any]] = {"config": "resnet50dilated_ppm"}
    decoder: ClassVar[str] = "decode_head.bottleneck"


class PSPNet101(PSPNet):
    """PSPNet on a dilated ResNet-101, which SynthCP's text names."""

    name: ClassVar[str] = "pspnet-resnet101"
    imagenet: ClassVar[str] = "resnet101-deep-stem"
    architecture: ClassVar[Mapping[str, Any]] = {"config": "resnet101dilated_ppm"}


class C1ResNet50(PSPNet):
    """PSPNet with one convolution in place of the pyramid pooling, on a dilated ResNet-50."""

    name: ClassVar[str] = "c1-resnet50"
    architecture: ClassVar[Mapping[str, Any]] = {"config": "resnet50dilated_c1"}
    decoder: ClassVar[str] = ""


class C1ResNet101(PSPNet101):
    """PSPNet with one convolution in place of the pyramid pooling, on a dilated ResNet-101."""

    name: ClassVar[str] = "c1-resnet101"
    architecture: ClassVar[Mapping[str, Any]] = {"config": "resnet101dilated_c1"}
    decoder: ClassVar[str] = ""


def _on_this_machine(weights: str) -> bool:
    try:
        find_weights(weights)
    except BenchError:
        return False
    return True
