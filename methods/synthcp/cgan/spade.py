"""The generator of SPADE (Park et al., CVPR 2019), from labels alone: no instance edges, no image encoder.

In three dimensions it is the same network with convolutions of volumes.

Keys and shapes of the `state_dict` are those of the published implementation, so that its checkpoints load as
they are. That is why spectral norm is the hook `torch.nn.utils.spectral_norm`, not the later parametrization.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from ...building_blocks.layers_and_resizing import (
    BATCH_NORM,
    CONVOLUTION,
    INSTANCE_NORM,
    Size,
    convolve,
    spatial,
)
from .label_pyramid import LabelLevel, LabelPyramid

Upsampling = Literal["less", "normal", "more", "most"]
Norm = Literal["spectral", "none"]
SPADENorm = Literal["batch", "instance"]
DOUBLINGS: Mapping[Upsampling, int] = {"less": 3, "normal": 5, "more": 6, "most": 7}
HIDDEN = 128
SLOPE = 0.2
GAIN = 0.02


def multiple(upsampling: Upsampling) -> int:
    """The number that the lengths of the generator's axes are multiples of: 8, 32, 64 or 128."""
    return 1 << DOUBLINGS[upsampling]


class Generator(nn.Module):
    """SPADE's generator of images from label maps (appendix A, figure 11).

    It is a chain of SPADE residual blocks. Between blocks the map is doubled in size (nearest neighbour).

    Args:
        classes: number of classes, the channels of the one-hot label map.
        ngf: width of the last block; 64 in the paper. The first has 16 times as many channels.
        size: size of the image, (H, W) or (D, H, W). It is rounded up to multiples of `multiple(upsampling)`;
            the attribute `size` holds the result. Resize or pad label maps to that.
        upsampling: number of doublings: "normal" for five, "less" for three (for patches of few voxels),
            "more" for six, "most" for seven and a further block to ngf / 2.
        norm: normalization of the residual blocks' convolutions, "spectral" or "none".
        channels: channels of the image.
        hidden: channels between labels and modulation.
        spade: the normalization that the labels modulate: "batch" or "instance".
    """

    def __init__(
        self,
        classes: int,
        ngf: int = 64,
        size: Size = (256, 512),
        upsampling: Upsampling = "normal",
        norm: Norm = "spectral",
        channels: int = 3,
        hidden: int = HIDDEN,
        spade: SPADENorm = "batch",
    ) -> None:
        super().__init__()
        factor, ndim = multiple(upsampling), len(size)
        self.coarse = tuple(-(-length // factor) for length in size)
        self.size = tuple(length * factor for length in self.coarse)
        self.upsampling = upsampling
        spectral = norm == "spectral"

        def block(inputs: int, outputs: int) -> Block:
            return Block(inputs, outputs, classes, spectral, ndim, hidden, spade)

        self.fc = CONVOLUTION[ndim](classes, 16 * ngf, 3, padding=1)
        self.head_0 = block(16 * ngf, 16 * ngf)
        self.G_middle_0 = block(16 * ngf, 16 * ngf)
        self.G_middle_1 = block(16 * ngf, 16 * ngf)
        self.up_0 = block(16 * ngf, 8 * ngf)
        self.up_1 = block(8 * ngf, 4 * ngf)
        self.up_2 = block(4 * ngf, 2 * ngf)
        self.up_3 = block(2 * ngf, ngf)
        width = ngf
        if upsampling == "most":
            self.up_4 = block(ngf, ngf // 2)
            width = ngf // 2
        self.conv_img = CONVOLUTION[ndim](width, channels, 3, padding=1)
        self.apply(initialise)

    def forward(self, labels: Tensor) -> Tensor:
        """Synthesize images.

        Args:
            labels: float32 (B, classes, *size), one-hot, zero in every channel on void pixels. Labels of
                another size are resized (nearest neighbour).

        Returns:
            float32 (B, channels, *size) in [-1, 1].
        """
        pyramid, less = LabelPyramid(labels), self.upsampling == "less"
        x = self.fc(pyramid.at(self.coarse).labels)
        x = self.head_0(x, pyramid)
        x = self.G_middle_0(x if less else _double(x), pyramid)
        x = self.G_middle_1(x if self.upsampling in ("less", "normal") else _double(x), pyramid)
        x = self.up_0(x if less else _double(x), pyramid)
        for block in (self.up_1, self.up_2, self.up_3):
            x = block(_double(x), pyramid)
        if self.upsampling == "most":
            x = self.up_4(_double(x), pyramid)
        return torch.tanh(self.conv_img(F.leaky_relu(x, SLOPE)))


class Block(nn.Module):
    """A SPADE residual block (figure 4 b). Its shortcut has weights if the width changes."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        classes: int,
        spectral: bool,
        ndim: int,
        hidden: int,
        spade: SPADENorm,
    ) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.conv_0 = _conv(ndim, inputs, middle, 3, spectral)
        self.conv_1 = _conv(ndim, middle, outputs, 3, spectral)
        self.norm_0 = SPADE(inputs, classes, ndim, hidden, spade)
        self.norm_1 = SPADE(middle, classes, ndim, hidden, spade)
        self.learned = inputs != outputs
        if self.learned:
            self.conv_s = _conv(ndim, inputs, outputs, 1, spectral, bias=False)
            self.norm_s = SPADE(inputs, classes, ndim, hidden, spade)

    def forward(self, x: Tensor, labels: LabelPyramid) -> Tensor:
        """Map float32 (B, inputs, *spatial) to (B, outputs, *spatial), modulated by the labels."""
        level = labels.at(spatial(x))
        shortcut = self.conv_s(self.norm_s(x, level)) if self.learned else x
        x = self.conv_0(F.leaky_relu(self.norm_0(x, level), SLOPE))
        x = self.conv_1(F.leaky_relu(self.norm_1(x, level), SLOPE))
        return shortcut + x


class SPADE(nn.Module):
    """Spatially-adaptive normalization (Eq. 1 to 3): a norm, then scale γ and shift β from the labels."""

    def __init__(
        self,
        channels: int,
        classes: int,
        ndim: int = 2,
        hidden: int = HIDDEN,
        norm: SPADENorm = "batch",
    ) -> None:
        super().__init__()
        conv = CONVOLUTION[ndim]
        self.convolve = convolve[ndim]
        normalization = BATCH_NORM if norm == "batch" else INSTANCE_NORM
        self.param_free_norm = normalization[ndim](channels, affine=False)
        self.mlp_shared = nn.Sequential(conv(classes, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = conv(hidden, channels, 3, padding=1)
        self.mlp_beta = conv(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, level: LabelLevel) -> Tensor:
        """Normalize x, float32 (B, channels, *spatial), and modulate it by the labels at the size of x."""
        gamma, beta = self._modulation(level).chunk(2, dim=1)
        # Eq. 1, γ (x - μ) / σ + β, with 1 + gamma for γ as in the published code
        return torch.addcmul(beta, self.param_free_norm(x), 1 + gamma)

    def _modulation(self, level: LabelLevel) -> Tensor:
        """Gamma and beta, (B, 2 channels, *spatial), by one convolution of both."""
        weight = torch.cat((self.mlp_gamma.weight, self.mlp_beta.weight))
        bias = torch.cat([self.get_parameter(f"{name}.bias") for name in ("mlp_gamma", "mlp_beta")])
        if level.neighbourhoods is None:
            return self.convolve(self.mlp_shared(level.labels), weight, bias, padding=1)
        patches, parts, nearby = level.neighbourhoods
        first, shift = (self.get_parameter(f"mlp_shared.0.{name}") for name in ("weight", "bias"))
        hidden = F.relu(F.linear(patches, _as_matrix(first), shift))
        padded = F.pad(hidden, (0, 0, 0, 1))  # the zeros that the second convolution pads with
        modulation = F.linear(F.embedding(parts, padded).flatten(1), _as_matrix(weight), bias)
        return F.embedding(nearby, modulation).movedim(-1, 1)


def _as_matrix(weight: Tensor) -> Tensor:
    """The weight of a convolution as the matrix that multiplies patches (position, channel)."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _conv(ndim: int, inputs: int, outputs: int, kernel: int, spectral: bool, bias: bool = True) -> nn.Module:
    conv: nn.Module = CONVOLUTION[ndim](inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    return spectral_norm(conv) if spectral else conv


def initialise(module: nn.Module) -> None:
    """Initialise a convolution: Xavier weights with gain 0.02, biases 0 (Section 4)."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.xavier_normal_(getattr(module, "weight_orig", module.weight), GAIN)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
