"""The comparison network (Section 3.2, Fig. 3): its layers, and how it is made, written and read."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ....benchmark.interfaces import Context, DatasetInfo
from ....benchmark.training import seed_everything
from ....benchmark.weights.checkpoints import load_strict, read_checkpoint, save_weights
from ...building_blocks.layers_and_resizing import (
    BATCH_NORM,
    CHANNELS_LAST,
    CONVOLUTION,
    convolve,
    enlarged,
    spatial,
)
from .comparison_config import ComparisonConfig
from .encoders import WIDTHS, make_encoder

REDUCED = 64
"""Channels to which the features of each encoder stage are reduced before they are compared."""
WEIGHTS = "comparison.safetensors"


class ComparisonNetwork(nn.Module):
    """F of Eq. 5, (IoU^, c) = F(x, x̂, ŷ): the quality of each class and the confidence of each pixel.

    Modules are named as in the published checkpoints.

    Args:
        classes: number of classes L.
        config: encoder, whether it is shared, and how the last layer starts.
        synthesized: whether the network sees x̂. Without x̂ it is the network of Direct Prediction.
        ndim: 2 for images, 3 for volumes.
        channels: channels of x and x̂.
    """

    def __init__(
        self,
        classes: int,
        config: ComparisonConfig,
        synthesized: bool = True,
        ndim: int = 2,
        channels: int = 3,
    ) -> None:
        super().__init__()
        conv, norm = CONVOLUTION[ndim], BATCH_NORM[ndim]
        self.convolve = convolve[ndim]
        # The softmax ŷ becomes one channel beside those of the image.
        self.pred_conv = nn.Sequential(conv(classes, 1, 1), norm(1), nn.ReLU())
        branches = 2 if synthesized else 1
        encoders = ["siamese1", "siamese2"] if synthesized and not config.shared else ["siamese"]
        self.branches = encoders if len(encoders) == branches else encoders * branches
        for name in encoders:
            self.add_module(name, make_encoder(config.encoder, config.pretrained, ndim, channels))
        widths = WIDTHS[config.encoder]
        self.ft_convs = nn.ModuleList(
            nn.Sequential(conv(branches * width, REDUCED, 1), norm(REDUCED), nn.ReLU()) for width in widths
        )
        self.conf = conv(len(widths) * REDUCED, 1, 1)
        self.regress = nn.Linear(branches * widths[-1], classes)
        if config.zero_start:
            nn.init.zeros_(self.regress.weight)
            nn.init.zeros_(self.regress.bias)

    def forward(
        self, probabilities: Tensor, image: Tensor, synthesized: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Compare image and synthesized image.

        Args:
            probabilities: ŷ, float32 (B, L, *spatial).
            image: x, float32 (B, C, *spatial), `normalised`.
            synthesized: x̂, float32 (B, C, *spatial), `normalised`; None without synthesis.

        Returns:
            The predicted IoU (in volumes: Dice) of each class (B, L), and the logit of c, the confidence that
            the predicted class of a pixel is right (B, *spatial).
        """
        extra = self.pred_conv(probabilities)
        images = [image] if synthesized is None else [image, synthesized]
        encoded = [
            self.get_submodule(name)(torch.cat([x, extra], dim=1))
            for name, x in zip(self.branches, images, strict=True)
        ]
        pooled = torch.cat([stages[-1].flatten(2).mean(dim=2) for stages in encoded], dim=1)
        # The last 1x1 convolution is applied before the enlargement, not after it. Both are linear, and one
        # channel is enlarged in place of 64.
        weights = torch.split(self.conf.weight, REDUCED, dim=1)
        logit: Tensor = torch.zeros((), device=image.device)
        for stage, weight in enumerate(weights):
            joined = torch.cat([stages[stage] for stages in encoded], dim=1)
            stage_logit = self.convolve(self.ft_convs[stage](joined), weight)
            logit = logit + enlarged(stage_logit, spatial(image))
        assert self.conf.bias is not None
        return self.regress(pooled), logit[:, 0] + self.conf.bias


def make_network(
    info: DatasetInfo, config: ComparisonConfig, synthesized: bool, seed: int
) -> ComparisonNetwork:
    """A network for a data set, with fresh weights that depend on the seed alone."""
    seed_everything(seed)
    return _for_dataset(info, config, synthesized)


def network_from_weights(
    config: ComparisonConfig, synthesized: bool, context: Context
) -> ComparisonNetwork | None:
    """The network of the configuration's `weights`; None if it names none.

    Raises:
        BenchError: the file does not fit the network; names the file and the key.
    """
    if config.weights is None:
        return None
    context.weights["comparison network"] = config.weights.name
    network = _for_dataset(context.info, from_scratch(config), synthesized)
    load_strict(network, read_checkpoint(config.weights), config.weights)
    return network


def from_scratch(config: ComparisonConfig) -> ComparisonConfig:
    """The configuration of the same network without ImageNet weights."""
    return config.model_copy(update={"pretrained": False})


def _for_dataset(info: DatasetInfo, config: ComparisonConfig, synthesized: bool) -> ComparisonNetwork:
    return ComparisonNetwork(len(info.classes), config, synthesized, info.ndim, info.channels)


def save_network(network: ComparisonNetwork, folder: Path) -> None:
    """Write the weights of a network below `folder`."""
    save_weights(network, folder / WEIGHTS)


def load_network(
    folder: Path, info: DatasetInfo, config: ComparisonConfig, synthesized: bool, device: str
) -> ComparisonNetwork:
    """Read the network that `save_network` wrote, ready to score on a device."""
    network = _for_dataset(info, from_scratch(config), synthesized)
    load_strict(network, load_file(folder / WEIGHTS), folder / WEIGHTS)
    return network.to(memory_format=CHANNELS_LAST[info.ndim]).to(device).eval()
