"""Encoders with ImageNet weights, for methods that build on one."""

from __future__ import annotations

from pathlib import Path

import torch
from segalarm.benchmark.checkpoints import load_strict, read_checkpoint
from segalarm.benchmark.errors import BenchError
from segalarm.benchmark.pretrained import LITE0, PACKAGES, find_weights
from segalarm.benchmark.segmenters.mmcv_ops import install
from torch import Tensor, nn

RESNET18 = "resnet18"
VGG19 = "vgg19"
TORCHVISION = {RESNET18: "resnet18-f37072fd.pth", VGG19: "vgg19-dcbb9e9d.pth"}
"""Names of torchvision's models, and of the files that it downloads."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def weights_of(name: str) -> Path:
    """The file of an encoder's ImageNet weights: a package's, or torchvision's in torch's cache.

    Raises:
        BenchError: it is not on this machine.
    """
    if name in PACKAGES:
        return find_weights(name)
    if name not in TORCHVISION:
        known = ", ".join([*PACKAGES, *TORCHVISION])
        raise BenchError(f"no ImageNet weights are known for '{name}': choose among {known}")
    file = Path(torch.hub.get_dir()) / "checkpoints" / TORCHVISION[name]
    if not file.is_file():
        raise BenchError(
            f"the ImageNet weights of {name} are not at {file}: put torchvision's file "
            f"https://download.pytorch.org/models/{file.name} there, or set these weights to null"
        )
    return file


def vgg19_features(layers: int) -> nn.Sequential:
    """The first layers of VGG-19 with ImageNet weights; no ReLU works in place.

    Raises:
        BenchError: the weights are not on this machine.
    """
    from torchvision.models import vgg19

    network = vgg19()
    file = weights_of(VGG19)
    load_strict(network, read_checkpoint(file), file)
    kept = list(network.features.children())[:layers]
    return nn.Sequential(*(nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in kept))


def lite0_encoder(weights: str | None = LITE0) -> nn.Module:
    """EfficientNet-Lite0's four feature maps, 24, 40, 112 and 320 channels at strides 4 to 32.

    Args:
        weights: their name; None for freshly drawn ones.

    Raises:
        BenchError: the weights are not on this machine.
    """
    install()
    from segalarm.benchmark.segmenters.efficientnet import EfficientNetLite0

    network = EfficientNetLite0()
    if weights is not None:
        file = weights_of(weights)
        load_strict(network, lite0_state(read_checkpoint(file)), file)
    return network


def lite0_state(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published file's tensors under our names: without leading underscores and the classifier."""
    renamed = {f".{key}".replace("._", ".")[1:]: value for key, value in published.items()}
    return {k: v for k, v in renamed.items() if k.partition(".")[0] not in ("conv_head", "bn1", "fc")}
