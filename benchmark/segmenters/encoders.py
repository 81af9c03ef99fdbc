"""Encoders with ImageNet weights, for methods that build on one."""

from __future__ import annotations

from torch import Tensor, nn

from ..weights.checkpoints import load_strict, read_checkpoint
from ..weights.pretrained import LITE0, VGG19, find_weights, plain
from .mmsegmentation.mmcv_ops import install

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def vgg19_features(layers: int) -> nn.Sequential:
    """The first layers of VGG-19 with ImageNet weights; no ReLU works in place.

    Raises:
        BenchError: the weights are not on this machine.
    """
    from torchvision.models import vgg19

    network = vgg19()
    file = find_weights(VGG19)
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
    from .mmsegmentation.architectures.efficientnet import EfficientNetLite0

    network = EfficientNetLite0()
    if weights is not None:
        file = find_weights(weights)
        load_strict(network, lite0_state(read_checkpoint(file)), file)
    return network


def lite0_state(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published file's tensors under our names: without leading underscores and the classifier."""
    renamed = {plain(key): value for key, value in published.items()}
    return {k: v for k, v in renamed.items() if k.partition(".")[0] not in ("conv_head", "bn1", "fc")}
