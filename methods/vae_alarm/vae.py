"""A variational auto-encoder of label maps, in two or three dimensions (Liu et al., ICCV 2019, Section 3.1).

In comments, y is the one-hot label map, q(z | y) = N(μ, diag σ²) the encoder, and N(0, 1) the standard
normal.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...benchmark.interfaces import VOID
from ..building_blocks.label_maps import one_hot
from ..building_blocks.layers_and_resizing import CONVOLUTION, Size
from .vae_config import VAEConfig

GROUPS = 4
SLOPE = 0.2
TINY = 1e-6


class VAE(nn.Module):
    """An encoder of stride-2 convolutions to a Gaussian code z, and a decoder back to a label map.

    Args:
        classes: number of classes L.
        size: size of the label maps, each axis a multiple of 2 to the number of blocks.
        config: widths of the layers and length of the code.
    """

    def __init__(self, classes: int, size: Size, config: VAEConfig) -> None:
        super().__init__()
        ndim, widths = len(size), config.widths
        self.coarse = tuple(length // 2 ** len(widths) for length in size)
        down, up = [classes, *widths], [*reversed(widths), widths[0]]
        self.encoder = nn.Sequential(*(_block(ndim, a, b, stride=2) for a, b in pairwise(down)))
        inner = widths[-1] * math.prod(self.coarse)
        self.to_code = nn.Linear(inner, 2 * config.latent)
        self.from_code = nn.Linear(config.latent, inner)
        self.decoder = nn.ModuleList(_block(ndim, a, b, stride=1) for a, b in pairwise(up))
        self.classify = CONVOLUTION[ndim](widths[0], classes, 1)

    def encode(self, hot: Tensor) -> tuple[Tensor, Tensor]:
        """The parameters μ and log σ² of q(z | y), (B, latent) each, for y float32 (B, L, *size), one-hot."""
        mean, log_variance = self.to_code(self.encoder(hot).flatten(1)).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """The logits (B, L, *size) of codes z (B, latent)."""
        x = self.from_code(z).view(len(z), -1, *self.coarse)
        for block in self.decoder:
            x = block(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        logits: Tensor = self.classify(x)
        return logits


def _block(ndim: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    conv = CONVOLUTION[ndim](inputs, outputs, 3, stride=stride, padding=1)
    return nn.Sequential(conv, nn.GroupNorm(GROUPS, outputs), nn.LeakyReLU(SLOPE))


def elbo(
    vae: VAE,
    labels: Tensor,
    classes: int,
    beta: float,
    sample: bool,
    reconstruction: Literal["cross-entropy", "dice"] = "cross-entropy",
) -> tuple[Tensor, Tensor, Tensor]:
    """The two terms of the VAE's loss: reconstruction, and divergence of the code from a normal distribution.

    Args:
        vae: the VAE.
        labels: label maps, int64 (B, *size).
        classes: number of classes L.
        beta: weight β of the divergence.
        sample: whether z is drawn, z = μ + σ ε; otherwise z = μ.
        reconstruction: "cross-entropy" for nats per pixel that is not void; "dice" for 1 minus the soft Dice,
            mean over the classes in the map.

    Returns:
        The loss of the reconstruction (B,); β KL(q(z | y) || N(0, 1)) (B,), in nats, with cross entropy in
        nats per pixel; and the logits of the reconstruction (B, L, *size).
    """
    hot = one_hot(labels, classes)
    mean, log_variance = vae.encode(hot)
    # z = μ + σ ε
    z = mean + torch.randn_like(mean) * (log_variance / 2).exp() if sample else mean
    logits = vae.decode(z).float()
    # β/2 Σ (μ² + σ² - 1 - log σ²)
    divergence = beta * (mean.square() + log_variance.exp() - 1 - log_variance).float().sum(dim=1) / 2
    if reconstruction == "dice":
        present = hot.flatten(2).any(dim=2)
        missed = (1 - dice_of_iou(soft_overlap(logits, hot))) * present
        return missed.sum(dim=1) / present.sum(dim=1).clamp_min(1), divergence, logits
    pixels = (labels != VOID).flatten(1).sum(dim=1).clamp_min(1)
    cross_entropy = F.cross_entropy(logits, labels, ignore_index=VOID, reduction="none")
    return cross_entropy.flatten(1).sum(dim=1) / pixels, divergence / pixels, logits


def soft_overlap(logits: Tensor, hot: Tensor) -> Tensor:
    """The IoU of the map of each class with its rebuilt probability.

    Args:
        logits: float32 (B, L, *size), of the reconstruction.
        hot: float32 (B, L, *size), the one-hot map, zero in every channel on void pixels.

    Returns:
        float32 (B, L) in [0, 1]; 0 for a class that is not in the map.
    """
    not_void = hot.sum(dim=1, keepdim=True)
    rebuilt = (torch.softmax(logits, dim=1) * not_void).flatten(2)
    hot = hot.flatten(2)
    both = (hot * rebuilt).sum(dim=2)
    return both / (hot.sum(dim=2) + rebuilt.sum(dim=2) - both).clamp_min(TINY)


def dice_of_iou(iou: Tensor) -> Tensor:
    """Dice = 2 IoU / (1 + IoU)."""
    return 2 * iou / (1 + iou)
