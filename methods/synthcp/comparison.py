"""The comparison module for failures: a siamese network on x, x̂ and ŷ (paper, Section 3.2, Fig. 3).

Modules are named as in the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn

from ...benchmark.data.selection import shuffled
from ...benchmark.interfaces import (
    VOID,
    Config,
    Context,
    DatasetInfo,
    FitOn,
    Item,
    Needs,
    Option,
    Pairs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from ...benchmark.interfaces.errors import BenchError
from ...benchmark.metrics import per_class_quality
from ...benchmark.segmenters.imagenet_encoders import IMAGENET_MEAN, IMAGENET_STD
from ...benchmark.training import Objective, poly, seed_everything, train
from ...benchmark.weights.checkpoints import load_strict, read_checkpoint, save_weights
from ...benchmark.weights.pretrained import LITE0, RESNET18, find_weights
from ..building_blocks.dimensions import (
    BATCH_NORM,
    CHANNELS_LAST,
    CONVOLUTION,
    Size,
    convolve,
    enlarged,
    nearest,
    resized,
    spatial,
)
from ..building_blocks.label_maps import around
from .comparison_encoders import SMALL, WIDTHS, Encoder, make_encoder

REDUCED = 64
"""Channels of each stage's comparison."""
WEIGHTS = "comparison.safetensors"
FLAT = 1e-6
"""The least deviation that a volume is divided by."""

Images = Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8]

Head = Literal["joint", "image", "pixel"]
"""What a comparison network is trained for: Eq. 8 as a whole, or one of its two parts."""


class ComparisonConfig(Config):
    """Hyper-parameters of the comparison network.

    Attributes:
        encoder: "resnet18", "efficientnet-lite0" (in two dimensions), or "small", from scratch.
        pretrained: whether it starts from ImageNet weights.
        shared: one encoder for x and x̂, or one each.
        size: of what it sees, an axis each; a single number is an image's height, or each axis of a volume;
            None for the image's own.
        focus: how far around the predicted foreground it looks, see `around`; None for the whole image.
            Nothing is published for volumes, where all may be in a hundredth of the voxels.
        iou_loss: "l1", or "smooth-l1".
        absent: which classes have a quality to learn: "official", those of the label; "paper", in images also
            those that are predicted in vain.
        weighted: whether a pixel's cross entropy is weighted by p², p the maximum softmax probability.
        add_probability: whether p is added to the confidence when it scores.
        clamp: whether a predicted quality is brought into [0, 1].
        zero_start: whether the qualities' linear layer starts at zero in place of small random weights, whose
            noise a training of some hundred steps does not overcome.
        weights: a network trained elsewhere, taken as it is in place of training.
    """

    encoder: Encoder = "resnet18"
    pretrained: bool = True
    shared: bool = False
    size: tuple[int, ...] | int | None = None
    focus: float | None = Field(None, ge=0)
    steps: int = Field(20_000, ge=1)
    batch_size: int = Field(4, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    decay: float = Field(0.0, ge=0)
    iou_loss: Literal["l1", "smooth-l1"] = "smooth-l1"
    absent: Literal["official", "paper"] = "official"
    weighted: bool = True
    add_probability: bool = True
    clamp: bool = False
    zero_start: bool = False
    weights: Path | None = None

    def files(self) -> list[Path]:
        """The network that it takes, or the ImageNet weights that it starts from."""
        if self.weights is not None or not self.pretrained:
            return super().files()
        return [find_weights(self.encoder)]


PAPER: Mapping[str, Any] = {
    "shared": True,
    "learning_rate": 0.01,
    "iou_loss": "l1",
    "absent": "paper",
    "weighted": False,
    "add_probability": False,
    "clamp": True,
}
"""Where the text differs from the published code."""
FOCUS = 0.25
"""In volumes, as of the VAE of label maps."""
VOLUMES: Mapping[Preset, Mapping[str, Any]] = {
    Preset.FULL: {"encoder": RESNET18, "size": 128},
    Preset.SMALL: {"encoder": SMALL, "size": 40, "steps": 600, "learning_rate": 1e-3, "decay": 0.9},
    Preset.SMOKE: {"encoder": SMALL, "size": 16, "steps": 4, "batch_size": 2},
}
"""Sizes and lengths for volumes, for which nothing is published."""


def options(config: ComparisonConfig) -> Sequence[Option]:
    """The hyper-parameters that the presets below `full` have from labels of a test split."""
    if not config.zero_start:
        return ()
    note = (
        "zero_start and the learning rate of the comparison network below the preset full were chosen on "
        "test images of cityscapes-mini."
    )
    return [Option(f"comparison.{name}", chosen_on_test=note) for name in ("zero_start", "learning_rate")]


def defaults(preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
    """The published schedule, or sizes for two cores."""
    text = dict(PAPER) if protocol is Protocol.PAPER else {}
    short = {} if preset is Preset.FULL else {"zero_start": True}
    if dataset.ndim == 3:
        return {**text, **VOLUMES[preset], **short, "focus": FOCUS, "pretrained": False}
    if preset is Preset.FULL:
        return text
    if preset is Preset.SMOKE:
        seen = {"size": 64, "steps": 4, "batch_size": 2, "pretrained": False}
    elif dataset.miniature:
        seen = {"size": 96, "steps": 240, "batch_size": 6}
    else:
        seen = {"size": 192, "steps": 600, "batch_size": 6}
    return {**text, **short, "encoder": LITE0, "learning_rate": 1e-3, "decay": 0.9, **seen}


def fit_on(config: ComparisonConfig) -> FitOn:
    """A predictor of failure needs real failures; one that is taken as it is needs none."""
    return FitOn.out_of_fold(Needs(probabilities=True)) if config.weights is None else FitOn.labels()


def no_part(config: ComparisonConfig, head: Head, task: Task) -> str | None:
    """Why a head alone does not do a failure task, or None."""
    missing = {Task.PIXEL_FAILURE: "image", Task.IMAGE_FAILURE: "pixel"}.get(task)
    if missing == head:
        return f"the head '{missing}' has no part in {task}"
    if config.weights is not None and head != "joint":
        return "comparison.weights is one network, whatever it was trained for: head=joint"
    return None


class ComparisonNetwork(nn.Module):
    """From ŷ (probabilities), x and x̂ to the quality of each class and the confidence of each pixel (Eq. 5).

    Args:
        classes: number of classes.
        config: encoder, and whether it is shared.
        synthesized: whether there is an x̂; without, this is Direct Prediction.
        ndim: 2 for images, 3 for volumes.
        channels: of x and x̂.
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
        # The softmax becomes one channel beside the image's.
        self.pred_conv = nn.Sequential(conv(classes, 1, 1), norm(1), nn.ReLU())
        branches = 2 if synthesized else 1
        own = ["siamese1", "siamese2"] if synthesized and not config.shared else ["siamese"]
        self.branches = own if len(own) == branches else own * branches
        for name in own:
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
        """Compare.

        Args:
            probabilities: float32 (B, L, *spatial).
            image, synthesized: float32 (B, C, *spatial), `normalised`.

        Returns:
            IoU or Dice (B, L), and the logit of each pixel's confidence that it is right (B, *spatial).
        """
        extra = self.pred_conv(probabilities)
        seen = [image] if synthesized is None else [image, synthesized]
        found = [
            self.get_submodule(name)(torch.cat([x, extra], dim=1))
            for name, x in zip(self.branches, seen, strict=True)
        ]
        pooled = torch.cat([stages[-1].flatten(2).mean(dim=2) for stages in found], dim=1)
        # The last 1x1 convolution comes before the upsampling: both are linear, and 64 channels become one.
        weights = torch.split(self.conf.weight, REDUCED, dim=1)
        confidence: Tensor = torch.zeros((), device=image.device)
        for stage, weight in enumerate(weights):
            joined = torch.cat([stages[stage] for stages in found], dim=1)
            one = self.convolve(self.ft_convs[stage](joined), weight)
            confidence = confidence + enlarged(one, spatial(image))
        assert self.conf.bias is not None
        return self.regress(pooled), confidence[:, 0] + self.conf.bias


@dataclass(frozen=True)
class Batches:
    """`batches(n)` gives the n-th training batch of the comparison network, as numpy arrays.

    Attributes:
        synthesized: x̂ of every pair, uint8 (C, *size) each; None without synthesis.
    """

    pairs: Pairs
    synthesized: Images | None
    config: ComparisonConfig
    classes: int
    seed: int

    def __call__(self, number: int) -> dict[str, Any]:
        """The batch of this number."""
        torch.set_num_threads(1)
        size = self.config.batch_size
        made = [self._one(number * size + slot) for slot in range(size)]
        shapes = {one["wrong"].shape for one in made}
        if len(shapes) > 1:
            raise BenchError(f"comparison.size: images of the shapes {shapes} make no batch: name a size")
        return {name: np.stack([one[name] for one in made]) for name in made[0]}

    def _one(self, position: int) -> dict[str, Any]:
        index = shuffled(position, len(self.pairs), self.seed, 4)
        pair = self.pairs[index]
        prediction, truth = pair.prediction, pair.sample.truth
        assert prediction is not None
        assert prediction.probabilities is not None
        label = truth.scored
        labels = prediction.labels.numpy()
        where = around(prediction.labels, self.config.focus)
        image = torch.from_numpy(pair.sample.image)[:, *where]
        size = seen_size(self.config, image.shape[1:])
        inputs = prepare(image, prediction.probabilities[:, *where], size)
        if self.synthesized is not None:
            made = torch.from_numpy(self.synthesized[index].copy()) / 255
            inputs["synthesized"] = normalised(focused(made, label.shape, where), size)
        found: dict[str, Any] = {name: tensor.numpy() for name, tensor in inputs.items()}
        quality = per_class_quality(labels, label, self.classes, VOID, absent=self.config.absent)
        wrong = np.where(label == VOID, VOID, labels != label).astype(np.uint8)
        found["iou"] = quality.astype(np.float32)
        found["wrong"] = nearest(torch.from_numpy(wrong)[where], size).numpy()
        found["confidence"] = resized(prediction.confidence[where][None], size)[0].numpy()
        return found


def prepare(image: Tensor, probabilities: Tensor, size: Size) -> dict[str, Tensor]:
    """What the network sees of an image (C, *spatial) and a prediction (L, *spatial), at `size`."""
    return {"image": normalised(image, size), "probabilities": resized(probabilities, size)}


def focused(made: Tensor, shape: Size, where: tuple[slice, ...]) -> Tensor:
    """What the network looks at of x̂, float32 (C, *size): a box `where` of the image's `shape`, or all."""
    if all(part == slice(None) for part in where):
        return made
    return resized(made, shape)[:, *where]


def normalised(image: Tensor, size: Size) -> Tensor:
    """An image as the network sees it, at `size`.

    Args:
        image: float32 (3, h, w) in [0, 1], brought to ImageNet's mean and deviation; or a volume (C, d, h, w)
            of any unit, brought to mean 0 and deviation 1 a channel.
    """
    if len(size) == 3:
        seen = resized(image, size)
        mean, std = seen.mean(dim=(1, 2, 3), keepdim=True), seen.std(dim=(1, 2, 3), keepdim=True)
        return (seen - mean) / std.clamp_min(FLAT)
    mean, std = (
        torch.tensor(numbers, device=image.device).view(-1, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (resized(image, size) - mean) / std


def seen_size(config: ComparisonConfig, shape: Sequence[int]) -> Size:
    """The size of what the network sees of images of a shape.

    Raises:
        BenchError: the configured size has another number of axes.
    """
    if config.size is None:
        return tuple(int(length) for length in shape)
    if isinstance(config.size, tuple):
        if len(config.size) != len(shape):
            raise BenchError(
                f"comparison.size {config.size} has {len(config.size)} axes, the data {len(shape)}"
            )
        return config.size
    if len(shape) == 3:
        return (config.size,) * 3
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
    synthesized: Images | None,
    context: Context,
) -> None:
    """Train on pairs of images and out-of-fold predictions."""
    context.weights["comparison encoder"] = config.encoder if config.pretrained else "none"
    rate = poly(config.steps, config.decay)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    batches = Batches(pairs, synthesized, config, len(context.info.classes), context.seed)
    train(
        f"train comparison ({head})",
        {"network": network.to(memory_format=CHANNELS_LAST[context.info.ndim])},
        [Objective(optimizer, partial(losses, network, config, head), rate)],
        batches,
        config.steps,
        context,
    )


def make_network(
    info: DatasetInfo, config: ComparisonConfig, synthesized: bool, seed: int
) -> ComparisonNetwork:
    """A network for a data set, whose fresh weights depend on the seed alone."""
    seed_everything(seed)
    return _network(info, config, synthesized)


def taken(config: ComparisonConfig, synthesized: bool, context: Context) -> ComparisonNetwork | None:
    """The network that the configuration names, or None.

    Raises:
        BenchError: the file does not fit; names it and the key.
    """
    if config.weights is None:
        return None
    context.weights["comparison network"] = config.weights.name
    network = _network(context.info, from_scratch(config), synthesized)
    load_strict(network, read_checkpoint(config.weights), config.weights)
    return network


def from_scratch(config: ComparisonConfig) -> ComparisonConfig:
    """The same network without ImageNet weights."""
    return config.model_copy(update={"pretrained": False})


def _network(info: DatasetInfo, config: ComparisonConfig, synthesized: bool) -> ComparisonNetwork:
    return ComparisonNetwork(len(info.classes), config, synthesized, info.ndim, info.channels)


def write(
    config: ComparisonConfig, head: Head, pairs: Pairs, synthesized: Images, folder: Path, context: Context
) -> None:
    """Train a network with synthesized images, and write its weights below `folder`."""
    network = make_network(context.info, config, True, context.seed)
    fit(network, config, head, pairs, synthesized, context)
    save(network, folder)


def save(network: ComparisonNetwork, folder: Path) -> None:
    """Write the weights below `folder`."""
    save_weights(network, folder / WEIGHTS)


def load(
    folder: Path, info: DatasetInfo, config: ComparisonConfig, synthesized: bool, device: str
) -> ComparisonNetwork:
    """The network that `save` wrote, ready to score."""
    network = _network(info, from_scratch(config), synthesized)
    load_strict(network, load_file(folder / WEIGHTS), folder / WEIGHTS)
    return network.to(memory_format=CHANNELS_LAST[info.ndim]).to(device).eval()


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
        synthesized: uint8 (C, *size), x̂; None for a network without it.

    Returns:
        IoU or Dice (L,), and each pixel's confidence that it is right, in [0, 1], at the image's size: the
        segmenter's own where the network does not look.
    """
    prediction = item.prediction
    assert prediction.probabilities is not None
    where = around(prediction.labels, config.focus)
    image = torch.from_numpy(item.view.image).to(device)[:, *where]
    size = seen_size(config, image.shape[1:])
    seen = prepare(image, prediction.probabilities[:, *where], size)
    other = None
    if synthesized is not None:
        made = focused(synthesized.float() / 255, prediction.labels.shape, where)
        other = normalised(made, size)[None]
    iou, logit = network(seen["probabilities"][None], seen["image"][None], other)
    confidence = prediction.confidence.float().clone()
    confidence[where] = torch.sigmoid(enlarged(logit[None], image.shape[1:])[0, 0].float())
    return iou[0].float(), confidence


def to_scores(
    task: Task,
    config: ComparisonConfig,
    found: tuple[Tensor, Tensor],
    item: Item,
    shown: Mapping[str, npt.NDArray[np.uint8]] | None = None,
) -> Scores:
    """What `compare` found, as the answer to a task: qualities, or a score of each pixel."""
    iou, confidence = found
    if task is Task.IMAGE_FAILURE:
        quality = iou.clamp(0, 1) if config.clamp else iou
        return Scores(quality=quality.cpu().numpy(), shown=shown or {})
    ranked = confidence + item.prediction.confidence if config.add_probability else confidence
    return Scores(
        pixel=(-ranked).float().cpu().numpy(), confidence=confidence.cpu().numpy(), shown=shown or {}
    )
