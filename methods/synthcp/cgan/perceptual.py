"""The perceptual loss (Johnson et al., ECCV 2016): the l1 distance between features of a fixed network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....benchmark.interfaces.errors import BenchError
from ....benchmark.segmenters.imagenet_encoders import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    lite0_encoder,
    vgg19_features,
)
from ....benchmark.weights.pretrained import LITE0, VGG19

VGG_TAPS = (1, 6, 11, 20, 29)
"""Layers whose output is compared: the first ReLU of each block of VGG-19, as in SPADE."""
LAYER_WEIGHTS = {VGG19: (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0), LITE0: (1 / 8, 1 / 4, 1 / 2, 1.0)}


class Perceptual(nn.Module):
    """The perceptual loss of a batch of synthesized images and a batch of real ones, a scalar.

    Args:
        name: the network, "vgg19" or "efficientnet-lite0". Its ImageNet weights must be on this machine.
        device: the torch device to compute on.
        normalised: whether the network sees images normalised by ImageNet's mean and deviation, as in its
            training. Otherwise the network sees images in [-1, 1], as in the published code of SPADE.

    Raises:
        BenchError: the name is another, or the weights are not on this machine.
    """

    def __init__(self, name: str, device: str, normalised: bool) -> None:
        super().__init__()
        if name not in LAYER_WEIGHTS:
            raise BenchError(
                f"cgan.perceptual_weights = {name}: expected {' or '.join(LAYER_WEIGHTS)}, or null"
            )
        self.name = name
        self.normalised = normalised
        self.network = vgg19_features(VGG_TAPS[-1] + 1) if name == VGG19 else lite0_encoder()
        self.network.requires_grad_(False).eval().to(device)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN, device=device).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD, device=device).view(1, -1, 1, 1))

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """The loss of images float32 (B, 3, H, W) in [-1, 1] each. Gradients reach `fake` alone."""
        with torch.no_grad():
            of_real = self._features(real)
        losses = [
            weight * F.l1_loss(f.float(), r.float())
            for weight, f, r in zip(LAYER_WEIGHTS[self.name], self._features(fake), of_real, strict=True)
        ]
        return torch.stack(losses).sum()

    def _features(self, images: Tensor) -> list[Tensor]:
        x = ((images + 1) / 2 - self.mean) / self.std if self.normalised else images
        if self.name == LITE0:
            return list(self.network(x))
        features = []
        for number, layer in enumerate(self.network.children()):
            x = layer(x)
            if number in VGG_TAPS:
                features.append(x)
        return features
