"""The perceptual loss (Johnson et al., ECCV 2016): l1 between features of a fixed network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...benchmark.interfaces.errors import BenchError
from ...benchmark.segmenters.imagenet_encoders import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    lite0_encoder,
    vgg19_features,
)
from ...benchmark.weights.pretrained import LITE0, VGG19

VGG_TAPS = (1, 6, 11, 20, 29)
"""After the first ReLU of each block of VGG-19, as SPADE compares them."""
WEIGHTS = {VGG19: (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0), LITE0: (1 / 8, 1 / 4, 1 / 2, 1.0)}


class Perceptual(nn.Module):
    """A scalar for two batches of images.

    Args:
        name: "vgg19" or "efficientnet-lite0"; its ImageNet weights must be on this machine.
        device: where it computes.

    Raises:
        BenchError: another name, or the weights are not here.
    """

    def __init__(self, name: str, device: str) -> None:
        super().__init__()
        if name not in WEIGHTS:
            raise BenchError(f"cgan.perceptual_weights = {name}: expected {' or '.join(WEIGHTS)}, or null")
        self.name = name
        self.network = vgg19_features(VGG_TAPS[-1] + 1) if name == VGG19 else lite0_encoder()
        self.network.requires_grad_(False).eval().to(device)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN, device=device).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD, device=device).view(1, -1, 1, 1))

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """float32 (B, 3, H, W) in [-1, 1] each; gradients reach `fake` alone."""
        with torch.no_grad():
            wanted = self._features(real)
        losses = [
            weight * F.l1_loss(one.float(), other.float())
            for weight, one, other in zip(WEIGHTS[self.name], self._features(fake), wanted, strict=True)
        ]
        return torch.stack(losses).sum()

    def _features(self, images: Tensor) -> list[Tensor]:
        x = ((images + 1) / 2 - self.mean) / self.std
        if self.name == LITE0:
            return list(self.network(x))
        found = []
        for number, layer in enumerate(self.network.children()):
            x = layer(x)
            if number in VGG_TAPS:
                found.append(x)
        return found
