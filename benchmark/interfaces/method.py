"""Methods, what they are fitted on, and their answers."""

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


class FitOn(StrEnum):
    """What a method's `fit` is given."""

    NOTHING = "nothing"
    LABELS = "labels"
    IN_FOLD = "in-fold"
    """Predictions of the final segmenter on the images it was trained on."""
    OUT_OF_FOLD = "out-of-fold"
    """Predictions of fold segmenters, each on the slice that it was not trained on."""


@dataclass(frozen=True)
class Scores:
    """A method's answer for one image.

    Attributes:
        pixel: float32 (*spatial), **higher = more likely wrong or anomalous**. Convert a confidence by
            negation: `1 - c` makes ties in float32.
        confidence: float32 (*spatial) in [0, 1], the estimated probability that the pixel's label is right;
            None where the method estimates none. It is judged by its calibration, never made from `pixel`.
        quality: (L,), the predicted IoU (in volumes: Dice) of *every* class, finite; not clamped.
        shown: pictures for `bench show`, name -> uint8 (3, h, w) RGB, in volumes (3, d, h, w); a synthesized
            image, say.
    """

    pixel: Float32 | None = None
    confidence: Float32 | None = None
    quality: npt.NDArray[np.floating[Any]] | None = None
    shown: Mapping[str, npt.NDArray[np.uint8]] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """One element of a batch that is scored. `memo` is the image's, shared by all methods of the run."""

    view: View
    prediction: Prediction
    memo: Memo = field(default_factory=Memo, compare=False)


@dataclass(frozen=True)
class Pair:
    """One element that a method is fitted on. `prediction` is None for `FitOn.LABELS`."""

    sample: Sample
    prediction: Prediction | None


class Pairs(Sequence[Pair]):
    """What a method is fitted on; a pair loads when indexed.

    Attributes:
        key: stands for the samples and for the segmenters that predicted them, for `Context.artifact`.
    """

    key: str


class Method(ABC):
    """An alarm. The constructor only stores; a training-free method implements `score` alone.

    Args:
        config: its hyper-parameters.
        task: one of the tasks that it was registered with.
    """

    Config: ClassVar[type[AnyConfig]] = AnyConfig

    def __init__(self, config: AnyConfig, task: Task) -> None:
        self.config = config
        self.task = task

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Values of `Config` that the preset, protocol and data set choose."""
        return {}

    @classmethod
    def configurations(cls, task: Task) -> Mapping[str, Sequence[Any]]:
        """Options that a run of all methods goes through, as with `--sweep`: rows of published tables."""
        return {}

    @classmethod
    def candidates(cls, task: Task) -> Mapping[str, Sequence[Any]]:
        """Options that have no right value beforehand, with those that `--tune-on` chooses from.

        Whoever compares such values on the test split chooses on its labels, and the record says so.
        """
        return {}

    def needs(self) -> Needs:
        """What `score` reads of a prediction beyond labels and confidence.

        A segmenter that lacks it makes the cell skipped, with the segmenter's reason.
        """
        return Needs()

    def fit_needs(self) -> Needs:
        """What `fit` reads of a prediction; by default what `score` reads."""
        return self.needs()

    def fit_on(self) -> FitOn:
        """What `fit` is given; `FitOn.NOTHING` for a training-free method."""
        return FitOn.NOTHING

    def fit_key(self) -> dict[str, Any]:
        """What of task and configuration `fit` depends on; cells with one key share what was learned.

        Override it to leave out what only `score` reads.
        """
        return {"task": self.task, "config": self.config.model_dump(mode="json")}

    def skip(self, dataset: DatasetInfo) -> str | None:
        """Why this method has no meaning on a data set, or None."""
        return None

    def files(self) -> list[Path]:
        """The files that its task depends on; by default all that its configuration names."""
        return self.config.files()

    def caveats(self) -> Mapping[str, str]:
        """Which of its hyper-parameters were chosen on labels of a test split, and where: a table's notes.

        Option -> note; several options may share one. An option that `--tune-on` chose anew owes nothing.
        """
        return {}

    def fit(self, pairs: Pairs, context: Context) -> None:
        """Train on training samples with their predictions."""
        raise TypeError(f"{type(self).__name__} declares no fit")

    def save(self, folder: Path) -> None:
        """Write what `fit` learned below `folder`, with safetensors."""
        raise TypeError(f"{type(self).__name__} declares no save")

    def load(self, folder: Path, context: Context) -> None:
        """Read what `save` wrote. Called after `fit` too, on another instance perhaps."""
        raise TypeError(f"{type(self).__name__} declares no load")

    @abstractmethod
    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Score images, one `Scores` an item, in order."""
