"""The conditional GAN of SPADE (Park et al., CVPR 2019), from labels alone: no instance edges, no encoder.

Keys and shapes of both `state_dict`s are those of the published implementation, whose checkpoints load as
they are; for that, spectral norm is the hook `torch.nn.utils.spectral_norm`, not the later parametrization.

Scale and shift of a pixel depend on the 5 x 5 labels around it alone, and few such neighbourhoods are
distinct: on a CPU they are computed once for each (`Neighbourhoods`), which halves the time of a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

Upsampling = Literal["normal", "more", "most"]
DOUBLINGS: Mapping[Upsampling, int] = {"normal": 5, "more": 6, "most": 7}
HIDDEN = 128
SLOPE = 0.2
GAIN = 0.02
DISTINCT = 0.75
"""Share of the pixels with distinct neighbourhoods above which convolutions are as fast."""


def multiple(upsampling: Upsampling) -> int:
    """The generator's height and width are multiples of this: 32, 64 or 128."""
    return 1 << DOUBLINGS[upsampling]


class Generator(nn.Module):
    """Labels to image (appendix A, figure 11): SPADE residual blocks with x2 nearest upsampling between them.

    Args:
        classes: channels of the label map.
        ngf: width of the last block; 64 in the paper. The first has 16 times as many channels.
        size: height and width of the image, rounded up to multiples of `multiple(upsampling)`; the attribute
            `size` is what it came to. Resize or pad images to that.
        upsampling: "normal", "more" (one doubling more) or "most" (two more, and a block to ngf / 2).
        norm: "spectral" or "none", of the residual blocks' convolutions.
    """

    def __init__(
        self,
        classes: int,
        ngf: int = 64,
        size: tuple[int, int] = (256, 512),
        upsampling: Upsampling = "normal",
        norm: Literal["spectral", "none"] = "spectral",
    ) -> None:
        super().__init__()
        factor = multiple(upsampling)
        self.coarse = (-(-size[0] // factor), -(-size[1] // factor))
        self.size = (self.coarse[0] * factor, self.coarse[1] * factor)
        self.upsampling = upsampling
        spectral = norm == "spectral"
        self.fc = nn.Conv2d(classes, 16 * ngf, 3, padding=1)
        self.head_0 = Block(16 * ngf, 16 * ngf, classes, spectral)
        self.G_middle_0 = Block(16 * ngf, 16 * ngf, classes, spectral)
        self.G_middle_1 = Block(16 * ngf, 16 * ngf, classes, spectral)
        self.up_0 = Block(16 * ngf, 8 * ngf, classes, spectral)
        self.up_1 = Block(8 * ngf, 4 * ngf, classes, spectral)
        self.up_2 = Block(4 * ngf, 2 * ngf, classes, spectral)
        self.up_3 = Block(2 * ngf, ngf, classes, spectral)
        width = ngf
        if upsampling == "most":
            self.up_4 = Block(ngf, ngf // 2, classes, spectral)
            width = ngf // 2
        self.conv_img = nn.Conv2d(width, 3, 3, padding=1)
        self.apply(_initialise)

    def forward(self, labels: Tensor) -> Tensor:
        """Synthesize.

        Args:
            labels: float32 (B, classes, H, W), one-hot, void all zeros; (H, W) is `size`. Labels of another
                size are read as if resized to it (nearest).

        Returns:
            float32 (B, 3, *size) in [-1, 1].
        """
        maps = Pyramid(labels)
        x = self.fc(maps.at(self.coarse).labels)
        x = self.head_0(x, maps)
        x = self.G_middle_0(_double(x), maps)
        x = self.G_middle_1(x if self.upsampling == "normal" else _double(x), maps)
        for block in (self.up_0, self.up_1, self.up_2, self.up_3):
            x = block(_double(x), maps)
        if self.upsampling == "most":
            x = self.up_4(_double(x), maps)
        return torch.tanh(self.conv_img(F.leaky_relu(x, SLOPE)))


class Block(nn.Module):
    """SPADE residual block (figure 4 b); its shortcut is learned where the width changes."""

    def __init__(self, inputs: int, outputs: int, classes: int, spectral: bool) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.conv_0 = _conv(inputs, middle, 3, spectral)
        self.conv_1 = _conv(middle, outputs, 3, spectral)
        self.norm_0 = SPADE(inputs, classes)
        self.norm_1 = SPADE(middle, classes)
        self.learned = inputs != outputs
        if self.learned:
            self.conv_s = _conv(inputs, outputs, 1, spectral, bias=False)
            self.norm_s = SPADE(inputs, classes)

    def forward(self, x: Tensor, maps: Pyramid) -> Tensor:
        """float32 (B, inputs, h, w) to (B, outputs, h, w)."""
        level = maps.at((x.shape[2], x.shape[3]))
        shortcut = self.conv_s(self.norm_s(x, level)) if self.learned else x
        x = self.conv_0(F.leaky_relu(self.norm_0(x, level), SLOPE))
        x = self.conv_1(F.leaky_relu(self.norm_1(x, level), SLOPE))
        return shortcut + x


class SPADE(nn.Module):
    """Spatially-adaptive normalization (eq. 1 to 3): batch norm, then scale and shift from the labels."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.param_free_norm = nn.BatchNorm2d(channels, affine=False)
        self.mlp_shared = nn.Sequential(nn.Conv2d(classes, HIDDEN, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(HIDDEN, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(HIDDEN, channels, 3, padding=1)

    def forward(self, x: Tensor, level: Level) -> Tensor:
        """float32 (B, channels, h, w) and the labels at its size to (B, channels, h, w)."""
        gamma, beta = self._modulation(level).chunk(2, dim=1)
        # eq. 1 with 1 + gamma for gamma, as published
        return torch.addcmul(beta, self.param_free_norm(x), 1 + gamma)

    def _modulation(self, level: Level) -> Tensor:
        """Gamma and beta, (B, 2 channels, h, w), in one convolution."""
        weight = torch.cat((self.mlp_gamma.weight, self.mlp_beta.weight))
        bias = torch.cat([self.get_parameter(f"{name}.bias") for name in ("mlp_gamma", "mlp_beta")])
        if level.distinct is None:
            return F.conv2d(self.mlp_shared(level.labels), weight, bias, padding=1)
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
    """Labels (B, classes, h, w) at one resolution; `distinct` where computing by it is the faster."""

    labels: Tensor
    distinct: Neighbourhoods | None


class Pyramid:
    """A label map at the sizes asked for, nearest neighbour, each made once."""

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels
        self._made: dict[tuple[int, int], Level] = {}

    def at(self, size: tuple[int, int]) -> Level:
        """The labels at a height and width."""
        if size not in self._made:
            same = self.labels.shape[2:] == size
            labels = self.labels if same else F.interpolate(self.labels, size, mode="nearest")
            self._made[size] = Level(labels, None if labels.is_cuda else neighbourhoods(labels))
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
    """

    def __init__(self, classes: int, ndf: int = 64, layers: int = 4, scales: int = 2) -> None:
        super().__init__()
        self.scales = scales
        for scale in range(scales):
            self.add_module(f"discriminator_{scale}", PatchGAN(classes + 3, ndf, layers))
        self.apply(_initialise)

    def forward(self, pairs: Tensor) -> list[list[Tensor]]:
        """Judge images given their labels.

        Args:
            pairs: float32 (B, classes + 3, H, W): the labels' one-hot, then the image in [-1, 1].

        Returns:
            For each scale, finest first: the layers' features, then the logits (B, 1, h, w) of its patches.
        """
        found = []
        for scale in range(self.scales):
            if scale:
                pairs = F.avg_pool2d(pairs, 3, stride=2, padding=1, count_include_pad=False)
            found.append(self.get_submodule(f"discriminator_{scale}")(pairs))
        return found


class PatchGAN(nn.Module):
    """4 x 4 convolutions; stride 2, but 1 in the last two. Widths double up to 512."""

    def __init__(self, inputs: int, ndf: int, layers: int) -> None:
        super().__init__()
        self.layers = layers
        leaky = nn.LeakyReLU(SLOPE)
        self.model0 = nn.Sequential(nn.Conv2d(inputs, ndf, 4, stride=2, padding=2), leaky)
        width = ndf
        for number in range(1, layers):
            wider = min(2 * width, 512)
            conv = nn.Conv2d(width, wider, 4, stride=1 if number == layers - 1 else 2, padding=2, bias=False)
            normed = nn.Sequential(spectral_norm(conv), nn.InstanceNorm2d(wider))
            self.add_module(f"model{number}", nn.Sequential(normed, leaky))
            width = wider
        self.add_module(f"model{layers}", nn.Sequential(nn.Conv2d(width, 1, 4, padding=2)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """float32 (B, inputs, H, W) to the output of each layer, the logits last."""
        found = []
        for number in range(self.layers + 1):
            x = self.get_submodule(f"model{number}")(x)
            found.append(x)
        return found


def _conv(inputs: int, outputs: int, kernel: int, spectral: bool, bias: bool = True) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    return spectral_norm(conv) if spectral else conv


def _initialise(module: nn.Module) -> None:
    """Xavier with gain 0.02, biases 0 (section 4)."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_normal_(getattr(module, "weight_orig", module.weight), GAIN)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
