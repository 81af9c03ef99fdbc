"""The hyper-parameters of an mmsegmentation network, and their values in the presets `small` and `smoke`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...interfaces import Config
from ...weights.pretrained import find_weights
from .augment import Augment


class MMSegConfig(Config):
    """Hyper-parameters of an mmsegmentation network.

    Attributes:
        config: Name of an mmsegmentation config, or path of a `.py` file.
        pretrained: Checkpoint from which the training starts, as far as the weights fit: a file, or a name
            that `find_weights` knows. None starts from random weights.
        steps: Number of updates of the weights.
        batch_size: Images in a batch.
        learning_rate: Learning rate at the start, for the backbone.
        optimizer: AdamW, or stochastic gradient descent.
        momentum: Momentum of stochastic gradient descent.
        weight_decay: Weight decay, of which norms and biases are exempt.
        warmup: Number of first steps over which the learning rate rises linearly.
        power: The learning rate falls as (1 - step / horizon) ** power.
        horizon: The step at which the learning rate would reach 0; None for `steps`.
        clip: Largest norm of the gradient; None for no limit.
        head_rate: Factor on the learning rate of the heads.
        crop: Height and width of the training crops; None for the first image's size.
        augment: Random changes of the training images.
        class_weights: "balanced" gives rare classes a larger weight in the loss, "config" keeps the config's
            weights, "none" weighs all classes alike.
        balance: The constant c of `balanced_weights`. The larger c is, the less rare classes gain.
        loss: "config" keeps the config's loss; "cross-entropy" learns from all pixels where the config's loss
            would pick the hard ones (OHEM).
        gradient_accumulation: Number of batches for one update.
        inference: "whole" segments the whole image at once, "slide" slides a window over the image.
        scales: Lengths of the image's short side at which the image is segmented. The softmax is averaged
            over the scales. Empty for the image as it is.
        dropout: Dropout ratio before the classifier; None leaves the config's.
        divisor: Images are padded to a multiple of this number of pixels.
    """

    config: str
    pretrained: str | None = None
    steps: int = Field(80_000, ge=1)
    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(0.01, gt=0)
    optimizer: Literal["adamw", "sgd"] = "sgd"
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    warmup: int = Field(0, ge=0)
    power: float = Field(0.9, ge=0)
    horizon: int | None = Field(None, ge=1)
    clip: float | None = Field(None, gt=0)
    head_rate: float = Field(1.0, gt=0)
    crop: tuple[int, int] | None = None
    augment: Augment = Augment()
    class_weights: Literal["none", "balanced", "config"] = "config"
    balance: float = Field(1.02, gt=1)
    loss: Literal["config", "cross-entropy"] = "config"
    gradient_accumulation: int = Field(1, ge=1)
    inference: Literal["whole", "slide"] = "whole"
    scales: tuple[int, ...] = ()
    dropout: float | None = Field(None, ge=0, lt=1)
    divisor: int = Field(32, ge=1)

    def files(self) -> list[Path]:
        """The config, where it is the user's own file, and the file of the pretrained weights."""
        own = [Path(self.config)] if self.config.endswith(".py") else []
        return [*own, find_weights(self.pretrained)] if self.pretrained else own


_FROM_SCRATCH: dict[str, Any] = {
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 0.01,
    "warmup": 50,
    "loss": "cross-entropy",
    "class_weights": "balanced",
}
SMALL = {**_FROM_SCRATCH, "crop": (256, 320), "batch_size": 6, "augment": {"scale": (0.6, 1.6)}}
"""Preset `small`: trains on two CPU cores. Every network adds its own number of steps."""
SMALL_MINIATURE = {
    **_FROM_SCRATCH,
    "crop": (96, 160),
    "batch_size": 8,
    "steps": 600,
    "augment": {"scale": (0.7, 1.5), "jitter": 0.5},
}
"""Preset `small` on miniature data sets, see `DatasetInfo.miniature`."""
SMOKE = {**_FROM_SCRATCH, "crop": (64, 64), "batch_size": 2, "steps": 8, "warmup": 0}
"""Preset `smoke`: some seconds, for checks that everything works together."""
