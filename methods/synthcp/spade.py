"""The conditional GAN of SPADE (Park et al., CVPR 2019), from labels alone: no instance edges, no encoder.

In three dimensions it is the same network with the convolutions of volumes.

Keys and shapes of both `state_dict`s are those of the published implementation, whose checkpoints load as
they are; for that, spectral norm is the hook `torch.nn.utils.spectral_norm`, not the later parametrization.

Scale and shift of a pixel depend on the 5 x 5 labels around it alone, and few such neighbourhoods are
distinct: on a CPU they are computed once for each (`Neighbourhoods`), which halves the time of a step. In
volumes more are distinct, and each is larger: there it gains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from ..building_blocks.dimensions import (
    BATCH_NORM,
    CONVOLUTION,
    INSTANCE_NORM,
    Size,
    average_pool,
    convolve,
    spatial,
)

Upsampling = Literal["less", "normal", "more", "most"]
Norm = Literal["spectral", "none"]
SPADENorm = Literal["batch", "instance"]
DOUBLINGS: Mapping[Upsampling, int] = {"less": 3, "normal": 5, "more": 6, "most": 7}
HIDDEN = 128
SLOPE = 0.2
GAIN = 0.02
DISTINCT = 0.75
"""Share of the pixels with distinct neighbourhoods above which convolutions are as fast."""


def multiple(upsampling: Upsampling) -> int:
    """The generator's axes are multiples of this: 8, 32, 64 or 128."""
    return 1 << DOUBLINGS[upsampling]


class Generator(nn.Module):
    """Labels to image (appendix A, figure 11): SPADE residual blocks with x2 nearest upsampling between them.

    Args:
        classes: channels of the label map.
        ngf: width of the last block; 64 in the paper. The first has 16 times as many channels.
        size: of the image, (H, W) or (D, H, W), rounded up to multiples of `multiple(upsampling)`; the
            attribute `size` is what it came to. Resize or pad images to that.
        upsampling: "normal", "less" (two doublings less, for patches of few voxels), "more" (one more) or
            "most" (two more, and a block to ngf / 2).
        norm: "spectral" or "none", of the residual blocks' convolutions.
        spade: the normalization that labels modulate: "batch", over images and devices, or "instance".
        channels: of the image.
        hidden: channels between labels and modulation.
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
        self.apply(_initialise)

    def forward(self, labels: Tensor) -> Tensor:
        """Synthesize.

        Args:
            labels: float32 (B, classes, *size), one-hot, void all zeros. Labels of another size are read as
                if resized to it (nearest).

        Returns:
            float32 (B, channels, *size) in [-1, 1].
        """
        maps, less = Pyramid(labels), self.upsampling == "less"
        x = self.fc(maps.at(self.coarse).labels)
        x = self.head_0(x, maps)
        x = self.G_middle_0(x if less else _double(x), maps)
        x = self.G_middle_1(x if self.upsampling in ("less", "normal") else _double(x), maps)
        x = self.up_0(x if less else _double(x), maps)
        for block in (self.up_1, self.up_2, self.up_3):
            x = block(_double(x), maps)
        if self.upsampling == "most":
            x = self.up_4(_double(x), maps)
        return torch.tanh(self.conv_img(F.leaky_relu(x, SLOPE)))


class Block(nn.Module):
    """SPADE residual block (figure 4 b); its shortcut is learned where the width changes."""

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

    def forward(self, x: Tensor, maps: Pyramid) -> Tensor:
        """float32 (B, inputs, *spatial) to (B, outputs, *spatial)."""
        level = maps.at(spatial(x))
        shortcut = self.conv_s(self.norm_s(x, level)) if self.learned else x
        x = self.conv_0(F.leaky_relu(self.norm_0(x, level), SLOPE))
        x = self.conv_1(F.leaky_relu(self.norm_1(x, level), SLOPE))
        return shortcut + x


class SPADE(nn.Module):
    """Spatially-adaptive normalization (eq. 1 to 3): a norm, then scale and shift from the labels."""

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
        kind = BATCH_NORM if norm == "batch" else INSTANCE_NORM
        self.param_free_norm = kind[ndim](channels, affine=False)
        self.mlp_shared = nn.Sequential(conv(classes, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = conv(hidden, channels, 3, padding=1)
        self.mlp_beta = conv(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, level: Level) -> Tensor:
        """float32 (B, channels, *spatial) and the labels at its size to (B, channels, *spatial)."""
        gamma, beta = self._modulation(level).chunk(2, dim=1)
        # eq. 1 with 1 + gamma for gamma, as published
        return torch.addcmul(beta, self.param_free_norm(x), 1 + gamma)

    def _modulation(self, level: Level) -> Tensor:
        """Gamma and beta, (B, 2 channels, *spatial), in one convolution."""
        weight = torch.cat((self.mlp_gamma.weight, self.mlp_beta.weight))
        bias = torch.cat([self.get_parameter(f"{name}.bias") for name in ("mlp_gamma", "mlp_beta")])
        if level.distinct is None:
            return self.convolve(self.mlp_shared(level.labels), weight, bias, padding=1)
        patches, parts, nearby = level.distinct
        first, shift = (self.get_parameter(f"mlp_shared.0.{name}") for name in ("weight", "bias"))
        hidden = F.relu(F.linear(patches, _rows(first), shift))
        beyond = F.pad(hidden, (0, 0, 0, 1))  # the zeros that the second convolution pads with
        found = F.linear(F.embedding(parts, beyond).flatten(1), _rows(weight), bias)
        return F.embedding(nearby, found).movedim(-1, 1)


class Neighbourhoods(NamedTuple):
    """The distinct 5 x 5 neighbourhoods of a batch of label maps, as the 3 x 3 patches that they are made of.

    Attributes:
        patches: float32 (M, 9 classes), the one-hots of each distinct patch; zeros beyond the map.
        parts: int64 (N, 9), the patches centred on the middle nine of each distinct neighbourhood; M where
            the centre lies beyond the map.
        nearby: int64 (B, h, w), the neighbourhood around each pixel.
    """

    patches: Tensor
    parts: Tensor
    nearby: Tensor


class Level(NamedTuple):
    """Labels (B, classes, *spatial) at one resolution; `distinct` where computing by it is the faster."""

    labels: Tensor
    distinct: Neighbourhoods | None


class Pyramid:
    """A label map at the sizes asked for, nearest neighbour, each made once."""

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels
        self._made: dict[Size, Level] = {}

    def at(self, size: Size) -> Level:
        """The labels at a size."""
        if size not in self._made:
            same = spatial(self.labels) == size
            labels = self.labels if same else F.interpolate(self.labels, size, mode="nearest")
            by_convolution = labels.is_cuda or len(size) == 3
            self._made[size] = Level(labels, None if by_convolution else neighbourhoods(labels))
        return self._made[size]


@torch.no_grad()
def neighbourhoods(labels: Tensor) -> Neighbourhoods | None:
    """Find the distinct neighbourhoods of labels (B, classes, h, w).

    Returns:
        None where more than `DISTINCT` of them are distinct, where the labels are not one-hot or zeros, and
        where 63 bits do not hold nine labels or three patches.
    """
    classes = labels.shape[1]
    base = classes + 2  # void 0, classes from 1, and what lies beyond the map
    if base**9 >= 2**63 or not ((labels == 0) | (labels == 1)).all() or labels.sum(1).max() > 1:
        return None
    code = (labels.argmax(1) + 1) * labels.sum(1).long()
    code = F.pad(code, (1, 1, 1, 1), value=base - 1)
    patches, index = torch.unique(_three(_three(code, 2, base), 1, base**3), return_inverse=True)
    beyond = len(patches)
    if (index.numel() + 1) ** 3 >= 2**63:
        return None
    index = F.pad(index, (1, 1, 1, 1), value=beyond)
    rows, index = torch.unique(_three(index, 2, beyond + 1), return_inverse=True)
    found, index = torch.unique(_three(index, 1, len(rows)), return_inverse=True)
    if len(found) > DISTINCT * index.numel():
        return None
    parts = _digits(rows[_digits(found, len(rows), 3)], beyond + 1, 3).flatten(1)
    hot = F.one_hot(_digits(patches, base, 9), base)[..., 1:-1].flatten(1).to(labels.dtype)
    return Neighbourhoods(hot, parts, index)


def _three(numbers: Tensor, dim: int, base: int) -> Tensor:
    """Each run of three along a dimension as one number, the first its highest digit."""
    length = numbers.shape[dim] - 2
    one, two, three = (numbers.narrow(dim, start, length) for start in range(3))
    return (one * base + two) * base + three


def _digits(numbers: Tensor, base: int, count: int) -> Tensor:
    """int64 (...) to (..., count), the highest digit first."""
    powers = base ** torch.arange(count - 1, -1, -1, device=numbers.device)
    return numbers[..., None] // powers % base


def _rows(weight: Tensor) -> Tensor:
    """A convolution's weight as the matrix that multiplies (position, channel) patches."""
    return weight.permute(0, 2, 3, 1).flatten(1)


class Discriminator(nn.Module):
    """PatchGANs on an image pyramid (appendix A, figure 13; Wang et al., CVPR 2018).

    Args:
        classes: channels of the label map.
        ndf: width of the first layer.
        layers: strided and unstrided layers before the last, each a feature for the matching loss.
        scales: of the pyramid; each halves the one before.
        ndim: 2 for images, 3 for volumes.
        channels: of the image.
    """

    def __init__(
        self,
        classes: int,
        ndf: int = 64,
        layers: int = 4,
        scales: int = 2,
        ndim: int = 2,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.scales = scales
        self.pool = average_pool[ndim]
        for scale in range(scales):
            self.add_module(f"discriminator_{scale}", PatchGAN(classes + channels, ndf, layers, ndim))
        self.apply(_initialise)

    def forward(self, pairs: Tensor) -> list[list[Tensor]]:
        """Judge images given their labels.

        Args:
            pairs: float32 (B, classes + channels, *spatial): the labels' one-hot, then the image in [-1, 1].

        Returns:
            For each scale, finest first: the layers' features, then the logits (B, 1, ...) of its patches.
        """
        found = []
        for scale in range(self.scales):
            if scale:
                pairs = self.pool(pairs, 3, stride=2, padding=1, count_include_pad=False)
            found.append(self.get_submodule(f"discriminator_{scale}")(pairs))
        return found


class PatchGAN(nn.Module):
    """Convolutions 4 wide; stride 2, but 1 in the last two. Widths double up to 512."""

    def __init__(self, inputs: int, ndf: int, layers: int, ndim: int) -> None:
        super().__init__()
        conv, norm = CONVOLUTION[ndim], INSTANCE_NORM[ndim]
        self.layers = layers
        leaky = nn.LeakyReLU(SLOPE)
        self.model0 = nn.Sequential(conv(inputs, ndf, 4, stride=2, padding=2), leaky)
        width = ndf
        for number in range(1, layers):
            wider = min(2 * width, 512)
            stride = 1 if number == layers - 1 else 2
            layer = spectral_norm(conv(width, wider, 4, stride=stride, padding=2, bias=False))
            normed = nn.Sequential(layer, norm(wider))
            self.add_module(f"model{number}", nn.Sequential(normed, leaky))
            width = wider
        self.add_module(f"model{layers}", nn.Sequential(conv(width, 1, 4, padding=2)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """float32 (B, inputs, *spatial) to the output of each layer, the logits last."""
        found = []
        for number in range(self.layers + 1):
            x = self.get_submodule(f"model{number}")(x)
            found.append(x)
        return found


def _conv(ndim: int, inputs: int, outputs: int, kernel: int, spectral: bool, bias: bool = True) -> nn.Module:
    conv: nn.Module = CONVOLUTION[ndim](inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    return spectral_norm(conv) if spectral else conv


def _initialise(module: nn.Module) -> None:
    """Xavier with gain 0.02, biases 0 (section 4)."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.xavier_normal_(getattr(module, "weight_orig", module.weight), GAIN)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
