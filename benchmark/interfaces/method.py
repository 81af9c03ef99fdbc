"""Methods: what they learn from, and how they score images.

In shapes, `L` is the number of classes, and `*spatial` is (H, W) for images or (D, H, W) for volumes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .context import Context, Memo
from .data import DatasetInfo, Float32, Sample, View
from .segmenter import Needs, Prediction
from .settings import AnyConfig, Preset, Protocol, Task


class Source(StrEnum):
    """Who made the predictions that `Method.fit` is given with the training samples."""

    LABELS = "labels"
    """Nobody: the method learns from images and labels alone."""
    IN_FOLD = "in-fold"
    """The final segmenter, which was trained on these images."""
    OUT_OF_FOLD = "out-of-fold"
    """Fold segmenters: each predicts the part of the training split that it was not trained on."""


@dataclass(frozen=True)
class FitOn:
    """What `Method.fit` is given: training samples, with predictions from `source` that hold `needs`.

    A method writes `FitOn.labels()`, `FitOn.in_fold(needs)` or `FitOn.out_of_fold(needs)`.
    """

    source: Source
    needs: Needs = field(default_factory=Needs)

    @classmethod
    def labels(cls) -> FitOn:
        """Training samples without predictions, for what is learned from images and labels alone."""
        return cls(Source.LABELS)

    @classmethod
    def in_fold(cls, needs: Needs) -> FitOn:
        """Predictions of the final segmenter, for what must fit its features or logits.

        The segmenter was trained on these images, so that it fails on them less often than on others.
        """
        return cls(Source.IN_FOLD, needs)

    @classmethod
    def out_of_fold(cls, needs: Needs) -> FitOn:
        """Predictions of fold segmenters, which fail as often as on new images: to learn from failures."""
        return cls(Source.OUT_OF_FOLD, needs)


@dataclass(frozen=True)
class Option:
    """A hyper-parameter that a published table varies, that is tuned, or that was chosen on test labels.

    Attributes:
        name: the key of `Config`; nested keys are joined by dots ("comparison.learning_rate"). The key needs
            a default: the method is made before its options are asked for.
        rows: values that each fill a row of a published table. A run of all methods goes through them.
        candidates: values that `--tune-on` compares on a held-out split. To compare them on the test split
            is to choose on its labels: records of a run that does so say it.
        chosen_on_test: a note for tables if the present value was chosen on labels of a test split: which
            value, and on which images. None if it was not. A run that tunes the option owes no note.
    """

    name: str
    rows: Sequence[Any] = ()
    candidates: Sequence[Any] = ()
    chosen_on_test: str | None = None


@dataclass(frozen=True)
class Scores:
    """A method's answer for one image.

    Attributes:
        pixel: float32 (*spatial), **higher = more likely wrong or anomalous**. Negate a confidence `c`:
            `1 - c` would make ties in float32. For pixel failures and anomalies.
        confidence: float32 (*spatial) in [0, 1], the estimated probability that the pixel's predicted class
            is right; None if the method estimates none. Calibration metrics judge it. The harness never
            makes it from `pixel`.
        quality: (L,), the predicted IoU (in volumes: Dice) of *every* class, finite, not clamped. For image
            failures.
        shown: pictures for `bench show`, such as a synthesized image: name -> uint8 (3, h, w) RGB, in
            volumes (3, d, h, w).
    """

    pixel: Float32 | None = None
    confidence: Float32 | None = None
    quality: npt.NDArray[np.floating[Any]] | None = None
    shown: Mapping[str, npt.NDArray[np.uint8]] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """One image to score, with the segmenter's prediction.

    Attributes:
        view: the image without its ground truth.
        prediction: the segmenter's answer, with the parts that `Method.needs` asks for.
        memo: a cache for this image, shared by all methods of the run.
    """

    view: View
    prediction: Prediction
    memo: Memo = field(default_factory=Memo, compare=False)


@dataclass(frozen=True)
class Pair:
    """One training sample that a method is fitted on.

    Attributes:
        sample: the image with its ground truth. Learn from `sample.truth.scored`: it is `truth.label` with
            `VOID` where a pixel is not valid.
        prediction: the segmenter's answer; None for `Source.LABELS`.
    """

    sample: Sample
    prediction: Prediction | None


class Pairs(Sequence[Pair]):
    """The training samples that a method is fitted on: a sequence of `Pair`. A pair loads when indexed.

    Attributes:
        key: text that stands for the samples and the segmenters that predicted them. A method passes it to
            `Context.artifact` as an input.
    """

    key: str


class Method(ABC):
    """A method that finds failures or anomalies. One instance does one task.

    A training-free method implements `score` alone. A method that learns also implements `fit_on`, `fit`,
    `save` and `load`. The constructor only stores its arguments.

    Args:
        config: its hyper-parameters, an instance of `Config`.
        task: one of the tasks that the method is registered with.
    """

    Config: ClassVar[type[AnyConfig]] = AnyConfig
    """The class of its hyper-parameters."""

    def __init__(self, config: AnyConfig, task: Task) -> None:
        self.config = config
        self.task = task

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """The values of `Config` that depend on preset, protocol or data set: key -> value."""
        return {}

    def options(self) -> Sequence[Option]:
        """The hyper-parameters that tables vary, that are tuned, or that were chosen on test labels."""
        return ()

    def parts(self) -> Sequence[Method]:
        """Other methods that work inside this one. Their code is part of what this method computes."""
        return ()

    def needs(self) -> Needs:
        """The parts of a prediction that `score` reads, beyond labels and confidence.

        If the segmenter cannot give them, the run skips the method and records the segmenter's reason.
        """
        return Needs()

    def fit_on(self) -> FitOn | None:
        """What `fit` is given; None for a method that learns nothing."""
        return None

    def fit_key(self) -> dict[str, Any]:
        """The task and the hyper-parameters that `fit` depends on; methods of equal keys are fitted once.

        Override this to leave out hyper-parameters that only `score` reads, as in
        `return {"cells": self.config.cells}`. A key without the task lets the tasks share one fit; keep
        `"task": self.task` in the key if `fit` or `fit_on` reads the task.
        """
        return {"task": self.task, "config": self.config.model_dump(mode="json")}

    def skip(self, dataset: DatasetInfo) -> str | None:
        """Why this method has no meaning on a data set; None if it has."""
        return None

    def files(self) -> list[Path]:
        """The files that the method reads for its task; by default all that its configuration names."""
        return self.config.files()

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Learn from training samples and their predictions, as `fit_on` asked for."""
        raise TypeError(f"{type(self).__name__} declares no fit")

    def save(self, folder: Path) -> None:
        """Write what `fit` learned below `folder`, with safetensors."""
        raise TypeError(f"{type(self).__name__} declares no save")

    def load(self, folder: Path, context: Context) -> None:
        """Read what `save` wrote. Called before `score` every time, on the fitted instance or a new one."""
        raise TypeError(f"{type(self).__name__} declares no load")

    @abstractmethod
    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Score images. Returns one `Scores` per item, in order."""
