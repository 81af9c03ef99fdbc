"""The discriminator of SPADE (Park et al., CVPR 2019): PatchGANs on several scales.

Keys and shapes of the `state_dict` are those of the published implementation, see `spade`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from ...building_blocks.layers_and_resizing import CONVOLUTION, INSTANCE_NORM, average_pool
from .spade import SLOPE, initialise


class Discriminator(nn.Module):
    """One PatchGAN for each scale of an image pyramid (appendix A, figure 13; Wang et al., CVPR 2018).

    Args:
        classes: number of classes, the channels of the one-hot label map.
        ndf: width of the first layer.
        layers: number of layers before the last. The output of each is a feature for the matching loss.
        scales: number of scales. Each scale halves the size of the one before.
        ndim: 2 for images, 3 for volumes.
        channels: channels of the image.
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
        self.apply(initialise)

    def forward(self, pairs: Tensor) -> list[list[Tensor]]:
        """Judge images given their labels.

        Args:
            pairs: float32 (B, classes + channels, *spatial): the one-hot labels, then the image in [-1, 1].

        Returns:
            For each scale, finest first: the outputs of the layers, the last being the logits of the patches
            (B, 1, ...).
        """
        outputs = []
        for scale in range(self.scales):
            if scale:
                pairs = self.pool(pairs, 3, stride=2, padding=1, count_include_pad=False)
            outputs.append(self.get_submodule(f"discriminator_{scale}")(pairs))
        return outputs


class PatchGAN(nn.Module):
    """4-wide convolutions to one logit per patch.

    The stride is 2, in the last two layers 1. Widths double from layer to layer, up to 512.
    """

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
        """The output of each layer, the logits last, of float32 (B, inputs, *spatial)."""
        outputs = []
        for number in range(self.layers + 1):
            x = self.get_submodule(f"model{number}")(x)
            outputs.append(x)
        return outputs
