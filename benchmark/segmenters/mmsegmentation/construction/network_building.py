"""Builds the network of a blueprint, and normalises the images that the network reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ....interfaces.errors import BenchError
from .blueprint import Blueprint, first_line, self_contained


def build_network(blueprint: Blueprint) -> nn.Module:
    """Build the network with freshly drawn weights, on the CPU.

    Raises:
        BenchError: The config is faulty, or needs mmdet or a compiled operator of mmcv.
    """
    from mmengine.config import ConfigDict
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    # These modules register their classes with mmsegmentation, whose configs name them. As none of the names
    # is used here, the hash of code counts every module as a whole, whichever of them a config needs.
    from ..architectures import cross_entropy, deeplab, efficientnet, fcn8s  # noqa: F401

    try:
        # mmsegmentation finds its own parts only while it is the default scope.
        with DefaultScope.overwrite_default_scope("mmseg"):
            # A copy: mmsegmentation changes what it builds from, and reads keys as attributes.
            network = MODELS.build(ConfigDict(self_contained(blueprint.model)))
        network.init_weights()
    except BenchError:
        raise
    except Exception as error:  # whatever a config makes mmsegmentation raise
        raise BenchError(
            f"mmsegmentation config {blueprint.name} cannot be built: {first_line(error)}"
        ) from error
    if not isinstance(network, nn.Module) or not hasattr(network, "encode_decode"):
        raise BenchError(f"mmsegmentation config {blueprint.name} is no encoder-decoder for photographs")
    return network


class Normalise(nn.Module):
    """Turns photographs into the input of a network: order of the channels, mean and standard deviation."""

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.bgr = blueprint.bgr
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", _per_channel(blueprint.mean), persistent=False)
        self.register_buffer("std", _per_channel(blueprint.std), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise images, float32 (B, 3, H, W), RGB in [0, 1]."""
        if self.bgr:
            images = images.flip(1)
        normalised: Tensor = (images - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)


def _per_channel(values: tuple[float, ...]) -> Tensor:
    """Values on 0..255 as a tensor (1, C, 1, 1) on 0..1."""
    return torch.tensor(values).view(1, -1, 1, 1) / 255
