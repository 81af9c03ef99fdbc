"""Encoders with ImageNet weights, for methods that build networks on top of one."""

from __future__ import annotations

from torch import Tensor, nn

from ..weights.checkpoints import load_strict, read_checkpoint
from ..weights.pretrained import LITE0, VGG19, find_weights
from ..weights.published_names import efficientnet
from .mmsegmentation.construction.mmcv_ops import make_mmseg_importable

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's images, RGB in [0, 1], which the encoders expect to be subtracted."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's images, RGB in [0, 1], by which the encoders expect to divide."""
CLASSIFIER = ("conv_head", "bn1", "fc")
"""The modules of EfficientNet that follow the encoder."""


def vgg19_features(layers: int) -> nn.Sequential:
    """Build the first `layers` layers of VGG-19 with ImageNet weights. No ReLU works in place.

    Raises:
        BenchError: The weights are not on this machine.
    """
    from torchvision.models import vgg19

    network = vgg19()
    file = find_weights(VGG19)
    load_strict(network, read_checkpoint(file), file)
    first_layers = list(network.features.children())[:layers]
    return nn.Sequential(*(nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in first_layers))


def lite0_encoder(weights: str | None = LITE0) -> nn.Module:
    """Build EfficientNet-Lite0 without its classifier.

    The network returns four feature maps with 24, 40, 112 and 320 channels at strides 4, 8, 16 and 32.

    Args:
        weights: A name or file for `find_weights`; None for freshly drawn weights.

    Raises:
        BenchError: The weights are not on this machine.
    """
    make_mmseg_importable()
    from .mmsegmentation.architectures.efficientnet import EfficientNetLite0

    network = EfficientNetLite0()
    if weights is not None:
        file = find_weights(weights)
        load_strict(network, lite0_state(read_checkpoint(file)), file)
    return network


def lite0_state(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of EfficientNet-Lite0's published file, and drop those of the classifier."""
    renamed = {efficientnet(key): value for key, value in published.items()}
    return {key: value for key, value in renamed.items() if key.partition(".")[0] not in CLASSIFIER}
