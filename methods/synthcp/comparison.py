"""The comparison module for failures: a siamese network on x, x̂ and ŷ (paper, Section 3.2, Fig. 3).

Modules are named as in the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.torch import load_file
from segalarm.benchmark.checkpoints import load_strict, read_checkpoint, save_weights
from segalarm.benchmark.encoders import IMAGENET_MEAN, IMAGENET_STD, lite0_encoder
from segalarm.benchmark.interfaces import (
    VOID,
    Config,
    Context,
    DatasetInfo,
    Item,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from segalarm.benchmark.loading import shuffled
from segalarm.benchmark.metrics import per_class_iou
from segalarm.benchmark.pretrained import LITE0, RESNET18, find_weights
from segalarm.benchmark.training import Objective, poly, seed_everything, train
from torch import Tensor, nn

REDUCED = 64
"""Channels of each stage's comparison."""
WEIGHTS = "comparison.safetensors"

Head = Literal["joint", "image", "pixel"]
"""What a comparison network is trained for: Eq. 8 as a whole, or one of its two parts."""


class ComparisonConfig(Config):
    """Hyper-parameters of the comparison network.

    Attributes:
        encoder: "resnet18" or "efficientnet-lite0".
        pretrained: whether it starts from ImageNet weights.
        shared: one encoder for x and x̂, or one each.
        size: height and width of what it sees; a single number is the height; None for the image's own.
        iou_loss: "l1", or "smooth-l1".
        absent: which classes have an IoU to learn: "official", those of the label; "paper", also those that
            are predicted in vain.
        weighted: whether a pixel's cross entropy is weighted by p², p the maximum softmax probability.
        add_probability: whether p is added to the confidence when it scores.
        weights: a network trained elsewhere, taken as it is in place of training.
    """

    encoder: Literal["resnet18", "efficientnet-lite0"] = "resnet18"
    pretrained: bool = True
    shared: bool = False
    size: tuple[int, int] | int | None = None
    steps: int = Field(20_000, ge=1)
    batch_size: int = Field(4, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    decay: float = Field(0.0, ge=0)
    iou_loss: Literal["l1", "smooth-l1"] = "smooth-l1"
    absent: Literal["official", "paper"] = "official"
    weighted: bool = True
    add_probability: bool = True
    weights: Path | None = None


PAPER: Mapping[str, Any] = {
    "shared": True,
    "learning_rate": 0.01,
    "iou_loss": "l1",
    "absent": "paper",
    "weighted": False,
    "add_probability": False,
}
"""Where the text differs from the published code."""


def defaults(preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
    """The published schedule, or sizes for two cores."""
    text = dict(PAPER) if protocol is Protocol.PAPER else {}
    if preset is Preset.FULL:
        return text
    if preset is Preset.SMOKE:
        seen = {"size": 64, "steps": 4, "batch_size": 2, "pretrained": False}
    elif dataset.name.endswith("-mini"):
        seen = {"size": 96, "steps": 300, "batch_size": 6}
    else:
        seen = {"size": 192, "steps": 600, "batch_size": 6}
    return {**text, "encoder": LITE0, "learning_rate": 3e-4, "decay": 0.9, **seen}


def no_part(head: Head, task: Task) -> str | None:
    """Why a head alone does not do a failure task, or None."""
    missing = {Task.PIXEL_FAILURE: "image", Task.IMAGE_FAILURE: "pixel"}.get(task)
    return f"the head '{missing}' has no part in {task}" if missing == head else None


class ComparisonNetwork(nn.Module):
    """From ŷ (probabilities), x and x̂ to the IoU of each class and the confidence of each pixel (Eq. 5).

    Args:
        classes: number of classes.
        config: encoder, and whether it is shared.
        synthesized: whether there is an x̂; without, this is Direct Prediction.
    """

    def __init__(self, classes: int, config: ComparisonConfig, synthesized: bool = True) -> None:
        super().__init__()
        # The softmax becomes one channel beside the image's three.
        self.pred_conv = nn.Sequential(nn.Conv2d(classes, 1, 1), nn.BatchNorm2d(1), nn.ReLU())
        branches = 2 if synthesized else 1
        own = ["siamese1", "siamese2"] if synthesized and not config.shared else ["siamese"]
        self.branches = own if len(own) == branches else own * branches
        for name in own:
            self.add_module(name, make_encoder(config))
        widths = WIDTHS[config.encoder]
        self.ft_convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(branches * width, REDUCED, 1), nn.BatchNorm2d(REDUCED), nn.ReLU())
            for width in widths
        )
        self.conf = nn.Conv2d(len(widths) * REDUCED, 1, 1)
        self.regress = nn.Linear(branches * widths[-1], classes)

    def forward(
        self, probabilities: Tensor, image: Tensor, synthesized: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Compare.

        Args:
            probabilities: float32 (B, L, H, W).
            image, synthesized: float32 (B, 3, H, W), normalised by ImageNet's mean and deviation.

        Returns:
            IoU (B, L), and the logit of each pixel's confidence that it is right (B, H, W).
        """
        extra = self.pred_conv(probabilities)
        seen = [image] if synthesized is None else [image, synthesized]
        found = [
            self.get_submodule(name)(torch.cat([x, extra], dim=1))
            for name, x in zip(self.branches, seen, strict=True)
        ]
        pooled = torch.cat([stages[-1].mean(dim=(2, 3)) for stages in found], dim=1)
        # The last 1x1 convolution comes before the upsampling: both are linear, and 64 channels become one.
        weights = torch.split(self.conf.weight, REDUCED, dim=1)
        confidence: Tensor = torch.zeros((), device=image.device)
        for stage, weight in enumerate(weights):
            joined = torch.cat([stages[stage] for stages in found], dim=1)
            one = F.conv2d(self.ft_convs[stage](joined), weight)
            confidence = confidence + F.interpolate(
                one, image.shape[2:], mode="bilinear", align_corners=False
            )
        assert self.conf.bias is not None
        return self.regress(pooled), confidence[:, 0] + self.conf.bias


class ResNet18(nn.Module):
    """The four stages of torchvision's ResNet-18, with a fourth input channel."""

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        from torchvision.models import resnet18

        network = resnet18()
        if pretrained:
            file = find_weights(RESNET18)
            load_strict(network, read_checkpoint(file), file)
        self.conv1 = with_fourth_channel(network.conv1)
        self.bn1 = network.bn1
        self.layer1, self.layer2 = network.layer1, network.layer2
        self.layer3, self.layer4 = network.layer3, network.layer4

    def forward(self, x: Tensor) -> list[Tensor]:
        """float32 (B, 4, H, W) to 64, 128, 256 and 512 channels at strides 4 to 32."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        found = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            found.append(x)
        return found


WIDTHS = {RESNET18: (64, 128, 256, 512), LITE0: (24, 40, 112, 320)}


def make_encoder(config: ComparisonConfig) -> nn.Module:
    """An encoder of four channels; the fourth starts from zero where the others are pretrained.

    Raises:
        BenchError: the ImageNet weights are not on this machine.
    """
    if config.encoder == RESNET18:
        return ResNet18(config.pretrained)
    network: Any = lite0_encoder(LITE0 if config.pretrained else None)
    network.conv_stem = with_fourth_channel(network.conv_stem)
    encoder: nn.Module = network
    return encoder


def with_fourth_channel(conv: Any) -> Any:
    """The same convolution with one more input channel."""
    weight = conv.weight.data
    conv.weight = nn.Parameter(torch.cat([weight, torch.zeros_like(weight[:, :1])], dim=1))
    conv.in_channels += 1
    return conv


@dataclass(frozen=True)
class Batches:
    """`batches(n)` gives the n-th training batch of the comparison network, as numpy arrays.

    Attributes:
        synthesized: uint8 (N, 3, h, w), x̂ of every pair, memory-mapped; None without synthesis.
    """

    pairs: Pairs
    synthesized: npt.NDArray[np.uint8] | None
    config: ComparisonConfig
    classes: int
    seed: int

    def __call__(self, number: int) -> dict[str, Any]:
        """The batch of this number."""
        cv2.setNumThreads(0)
        torch.set_num_threads(1)
        size = self.config.batch_size
        made = [self._one(number * size + slot) for slot in range(size)]
        return {name: np.stack([one[name] for one in made]) for name in made[0]}

    def _one(self, position: int) -> dict[str, Any]:
        index = shuffled(position, len(self.pairs), self.seed, 4)
        pair = self.pairs[index]
        prediction, truth = pair.prediction, pair.sample.truth
        assert prediction is not None
        assert prediction.probabilities is not None
        label = truth.scored
        labels = prediction.labels.numpy()
        image = torch.from_numpy(pair.sample.image)
        size = seen_size(self.config, image.shape[1:])
        inputs = prepare(image, prediction.probabilities, size)
        if self.synthesized is not None:
            inputs["synthesized"] = normalised(torch.from_numpy(self.synthesized[index].copy()) / 255, size)
        found: dict[str, Any] = {name: tensor.numpy() for name, tensor in inputs.items()}
        iou = per_class_iou(labels, label, self.classes, VOID, absent=self.config.absent)
        small = (size[1], size[0])
        wrong = np.where(label == VOID, VOID, labels != label).astype(np.uint8)
        found["iou"] = iou.astype(np.float32)
        found["wrong"] = cv2.resize(wrong, small, interpolation=cv2.INTER_NEAREST)
        found["confidence"] = cv2.resize(prediction.confidence.numpy(), small, interpolation=cv2.INTER_AREA)
        return found


def prepare(image: Tensor, probabilities: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
    """What the network sees of an image (3, H, W) in [0, 1] and a prediction (L, H, W), at `size`."""
    return {"image": normalised(image, size), "probabilities": resized(probabilities, size)}


def normalised(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image (3, h, w) in [0, 1], brought to `size` and to ImageNet's mean and deviation."""
    mean = torch.tensor(IMAGENET_MEAN, device=image.device).view(-1, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=image.device).view(-1, 1, 1)
    return (resized(image, size) - mean) / std


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, h, w) to (C, *size): by area where it shrinks, else bilinear."""
    if maps.shape[1:] == size:
        return maps
    if maps.shape[1] >= size[0]:
        return F.interpolate(maps[None], size, mode="area")[0]
    return F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]


def seen_size(config: ComparisonConfig, shape: Sequence[int]) -> tuple[int, int]:
    """Height and width of what the network sees of images of a shape."""
    if config.size is None:
        return int(shape[0]), int(shape[1])
    if isinstance(config.size, tuple):
        return config.size
    return config.size, round(config.size * shape[1] / shape[0] / 32) * 32


def losses(
    network: ComparisonNetwork, config: ComparisonConfig, head: str, batch: Mapping[str, Tensor], step: int
) -> dict[str, Tensor]:
    """Eq. 8, or the part of it that one head needs.

    Args:
        head: "joint", "image" or "pixel".
    """
    predicted, logit = network(batch["probabilities"], batch["image"], batch.get("synthesized"))
    found = {}
    if head != "pixel":
        actual = batch["iou"]
        scored = ~torch.isnan(actual)
        kind = F.l1_loss if config.iou_loss == "l1" else F.smooth_l1_loss
        # No class of a batch may count: 0, not NaN.
        summed = kind(predicted.float()[scored], actual[scored], reduction="sum")
        found["iou"] = summed / scored.sum().clamp_min(1)
    if head != "image":
        wrong = batch["wrong"]
        labelled = wrong != VOID
        right = (wrong == 0).float()
        weight = labelled * (batch["confidence"] ** 2 if config.weighted else 1.0)
        each = F.binary_cross_entropy_with_logits(logit.float(), right, reduction="none")
        found["pixel"] = (each * weight).sum() / labelled.sum().clamp_min(1)
    return found


def fit(
    network: ComparisonNetwork,
    config: ComparisonConfig,
    head: str,
    pairs: Pairs,
    synthesized: npt.NDArray[np.uint8] | None,
    context: Context,
) -> None:
    """Train on pairs of images and out-of-fold predictions, unless the configuration names weights."""
    if config.weights is not None:
        context.weights["comparison network"] = config.weights.name
        load_strict(network, read_checkpoint(config.weights), config.weights)
        return
    context.weights["comparison encoder"] = config.encoder if config.pretrained else "none"
    rate = poly(config.steps, config.decay)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    batches = Batches(pairs, synthesized, config, len(context.info.classes), context.seed)
    train(
        f"train comparison ({head})",
        {"network": network.to(memory_format=torch.channels_last)},
        [Objective(optimizer, partial(losses, network, config, head), rate)],
        batches,
        config.steps,
        context,
    )


def make_network(classes: int, config: ComparisonConfig, synthesized: bool, seed: int) -> ComparisonNetwork:
    """A network whose fresh weights depend on the seed alone."""
    seed_everything(seed)
    ready = config.weights is not None
    return ComparisonNetwork(classes, from_scratch(config) if ready else config, synthesized)


def from_scratch(config: ComparisonConfig) -> ComparisonConfig:
    """The same network without ImageNet weights."""
    return config.model_copy(update={"pretrained": False})


def save(network: ComparisonNetwork, folder: Path) -> None:
    """Write the weights below `folder`."""
    save_weights(network, folder / WEIGHTS)


def load(
    folder: Path, classes: int, config: ComparisonConfig, synthesized: bool, device: str
) -> ComparisonNetwork:
    """The network that `save` wrote, ready to score."""
    network = ComparisonNetwork(classes, from_scratch(config), synthesized)
    load_strict(network, load_file(folder / WEIGHTS), folder / WEIGHTS)
    return network.to(memory_format=torch.channels_last).to(device).eval()


@torch.no_grad()
def compare(
    network: ComparisonNetwork,
    config: ComparisonConfig,
    item: Item,
    synthesized: Tensor | None,
    device: str,
) -> tuple[Tensor, Tensor]:
    """Eq. 5 for one image.

    Args:
        synthesized: uint8 (3, h, w), x̂; None for a network without it.

    Returns:
        IoU (L,), and each pixel's confidence that it is right, in [0, 1] (H, W), at the image's size.
    """
    assert item.prediction.probabilities is not None
    image = torch.from_numpy(item.view.image).to(device)
    size = seen_size(config, image.shape[1:])
    seen = prepare(image, item.prediction.probabilities, size)
    other = None if synthesized is None else normalised(synthesized.float() / 255, size)[None]
    iou, logit = network(seen["probabilities"][None], seen["image"][None], other)
    shape = (int(image.shape[1]), int(image.shape[2]))
    full = F.interpolate(logit[None], shape, mode="bilinear", align_corners=False)[0, 0]
    return iou[0].float(), torch.sigmoid(full.float())


def to_scores(
    task: Task,
    config: ComparisonConfig,
    found: tuple[Tensor, Tensor],
    item: Item,
    shown: Mapping[str, npt.NDArray[np.uint8]] | None = None,
) -> Scores:
    """What `compare` found, as the answer to one of the two failure tasks."""
    iou, confidence = found
    if task is Task.IMAGE_FAILURE:
        return Scores(quality=iou.cpu().numpy(), shown=shown or {})
    ranked = confidence + item.prediction.confidence if config.add_probability else confidence
    return Scores(
        pixel=(-ranked).float().cpu().numpy(), confidence=confidence.cpu().numpy(), shown=shown or {}
    )
