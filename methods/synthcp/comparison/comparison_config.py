"""Hyper-parameters of the comparison network, and their values at each preset and protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ....benchmark.interfaces import Config, DatasetInfo, FitOn, Needs, Option, Preset, Protocol, Task
from ....benchmark.weights.pretrained import LITE0, RESNET18, find_weights
from .encoders import SMALL, Encoder

Head = Literal["joint", "image", "pixel"]
"""The losses that a comparison network is trained for: Eq. 8 as a whole, or one of its two parts."""


class ComparisonConfig(Config):
    """Hyper-parameters of the comparison network.

    Attributes:
        encoder: "resnet18"; "efficientnet-lite0", for images alone; or "small", which has no ImageNet
            weights.
        pretrained: whether the encoder starts from ImageNet weights.
        shared: whether x and x̂ have one encoder in common. Otherwise each has its own.
        size: size at which the network sees images, one number per axis. A single number is the height of an
            image, whose width keeps the aspect, or the length of each axis of a volume. None for the size of
            the image.
        focus: the network sees the box of the predicted foreground with this margin at either side, see
            `foreground_box`; None for the whole image. Nothing is published for volumes, where the foreground
            may be a hundredth of the voxels.
        steps: number of optimizer steps.
        decay: exponent of the polynomial decay of the learning rate.
        iou_loss: loss of the predicted IoU, "l1" or "smooth-l1".
        absent: the classes that have a quality to learn: "official" for those in the ground truth, "paper"
            for also, in images, those that are predicted but not in the ground truth.
        weighted: whether the cross entropy of a pixel is weighted by p², with p the maximum softmax
            probability.
        add_probability: whether p is added to the confidence in scores.
        clamp: whether predicted qualities are clamped to [0, 1].
        zero_start: whether the linear layer of the qualities starts at zero. Otherwise it starts at small
            random weights, whose noise some hundred steps of training do not overcome.
        weights: the file of a network that was trained elsewhere, to use instead of training one.
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
        """The file of the network, or else that of the ImageNet weights of the encoder."""
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
"""The hyper-parameters in which the text of the paper differs from the published code."""
FOCUS = 0.25
"""`focus` in volumes, the same as that of the VAE alarm."""
VOLUMES: Mapping[Preset, Mapping[str, Any]] = {
    Preset.FULL: {"encoder": RESNET18, "size": 128},
    Preset.SMALL: {"encoder": SMALL, "size": 40, "steps": 600, "learning_rate": 1e-3, "decay": 0.9},
    Preset.SMOKE: {"encoder": SMALL, "size": 16, "steps": 4, "batch_size": 2},
}
"""Sizes and lengths for volumes. Nothing is published."""


def options_chosen_on_test(config: ComparisonConfig) -> Sequence[Option]:
    """The hyper-parameters whose values below `full` were chosen on labels of a test split."""
    if not config.zero_start:
        return ()
    note = (
        "zero_start and the learning rate of the comparison network below the preset full were chosen on "
        "test images of cityscapes-mini."
    )
    return [Option(f"comparison.{name}", chosen_on_test=note) for name in ("zero_start", "learning_rate")]


def comparison_defaults(preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
    """The published schedule at `full`, smaller networks and shorter schedules below."""
    by_protocol = dict(PAPER) if protocol is Protocol.PAPER else {}
    short = {} if preset is Preset.FULL else {"zero_start": True}
    if dataset.ndim == 3:
        return {**by_protocol, **VOLUMES[preset], **short, "focus": FOCUS, "pretrained": False}
    if preset is Preset.FULL:
        return by_protocol
    if preset is Preset.SMOKE:
        by_preset = {"size": 64, "steps": 4, "batch_size": 2, "pretrained": False}
    elif dataset.miniature:
        by_preset = {"size": 96, "steps": 240, "batch_size": 6}
    else:
        by_preset = {"size": 192, "steps": 600, "batch_size": 6}
    return {**by_protocol, **short, "encoder": LITE0, "learning_rate": 1e-3, "decay": 0.9, **by_preset}


def comparison_fit_on(config: ComparisonConfig) -> FitOn:
    """Out-of-fold predictions to train on; a network that is read from `weights` needs none."""
    return FitOn.out_of_fold(Needs(probabilities=True)) if config.weights is None else FitOn.labels()


def unsupported_head(config: ComparisonConfig, head: Head, task: Task) -> str | None:
    """Why a network for `head` cannot do a failure task; None if it can."""
    other_task_alone = {Task.PIXEL_FAILURE: "image", Task.IMAGE_FAILURE: "pixel"}.get(task)
    if head == other_task_alone:
        return f"the head '{head}' has no part in {task}: set head=joint"
    if config.weights is not None and head != "joint":
        return "comparison.weights names one network for all tasks: set head=joint"
    return None
