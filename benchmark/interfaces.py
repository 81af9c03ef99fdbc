"""What a plugin implements (`Method`, `Dataset`, `Segmenter`) and the values that pass between them.

Shapes: `C` channels, `L` classes, `*spatial` is (H, W) or (D, H, W). Imports no torch.
"""

from __future__ import annotations

import time
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Float32 = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

VOID = 255
"""The label of pixels that are neither trained on nor scored."""


class Task(StrEnum):
    """What a method is asked for."""

    PIXEL_FAILURE = "pixel-failure"
    IMAGE_FAILURE = "image-failure"
    ANOMALY = "anomaly"


class Preset(StrEnum):
    """Sizes and lengths: as published on a GPU, minutes to hours on two cores, seconds."""

    FULL = "full"
    SMALL = "small"
    SMOKE = "smoke"


class Protocol(StrEnum):
    """What the published code computes with its defects mended, or what the paper's text says."""

    OFFICIAL = "official"
    PAPER = "paper"


class FitOn(StrEnum):
    """What a method's `fit` is given."""

    NOTHING = "nothing"
    LABELS = "labels"
    IN_FOLD = "in-fold"
    """Predictions of the final segmenter on the images it was trained on."""
    OUT_OF_FOLD = "out-of-fold"
    """Predictions of fold segmenters, each on the slice that it was not trained on."""


class Config(BaseModel):
    """Hyper-parameters of a plugin. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def files(self) -> list[Path]:
        """The files that it names; what depends on the configuration depends on their content."""
        own = list(self.__dict__.values())
        inner = [file for value in own if isinstance(value, Config) for file in value.files()]
        return [value for value in own if isinstance(value, Path)] + inner


AnyConfig = Config
"""For annotations in classes that have an attribute `Config`."""


@dataclass(frozen=True)
class Truth:
    """The ground truth of a sample.

    Attributes:
        label: int64 (*spatial), 0..L-1 or `VOID`.
        anomaly: bool (*spatial), true on anomalous pixels; None where the data set has none.
        valid: bool (*spatial), false where nothing is scored.
    """

    label: Labels
    anomaly: Mask | None
    valid: Mask

    @property
    def scored(self) -> Labels:
        """The label, void where nothing is scored."""
        return self.label if self.valid.all() else np.where(self.valid, self.label, VOID)


class Sample:
    """One image with its ground truth, read from disk when first touched.

    Args:
        key: unique in its data set, stable over machines.
        read_image: gives float32 (C, *spatial), RGB in [0, 1] for photographs. Picklable.
        read_truth: gives the `Truth`. Picklable.
        group: what belongs together (a town, a patient).
        spacing: size of a voxel in millimetres, a number an axis; None for photographs.
    """

    def __init__(
        self,
        key: str,
        read_image: Callable[[], Float32],
        read_truth: Callable[[], Truth],
        group: str | None = None,
        spacing: tuple[float, ...] | None = None,
    ) -> None:
        self.key = key
        self.group = group
        self.spacing = spacing
        self._read_image = read_image
        self._read_truth = read_truth

    @cached_property
    def image(self) -> Float32:
        """float32 (C, *spatial)."""
        return self._read_image()

    @cached_property
    def truth(self) -> Truth:
        """Label, anomaly and valid masks."""
        return self._read_truth()

    @property
    def view(self) -> View:
        """What a method may see of a test sample: no label, no mask."""
        return View(self.key, self.image, self.group, self.spacing)


@dataclass(frozen=True)
class View:
    """The part of a test sample that a method may see. `image`: float32 (C, *spatial)."""

    key: str
    image: Float32
    group: str | None = None
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Archive:
    """A file that `bench data NAME --fetch` downloads. Digests and `size` (bytes) where published."""

    url: str
    folder: str = "."
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """The facts of a data set.

    Attributes:
        classes: in volumes the first is the background, which is no structure.
        splits: number of images of the release, a split.
        folders: names the data set's folder usually has below a data root.
        layout: the expected files, for people.
        archives: what `--fetch` downloads; empty where a login is needed (`source` says how).
    """

    name: str
    summary: str
    revision: str
    tasks: tuple[Task, ...]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    splits: Mapping[str, int]
    licence: str
    citation: str
    source: str
    layout: str
    folders: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    ndim: int = 2
    channels: int = 3
    default_preset: Preset = Preset.FULL
    segmenters: tuple[str, ...] = ("lite0",)
    """Those of the experiment; the first is the default."""
    light: tuple[str, ...] = ("lite0", "segformer")
    """In their place at the presets `small` and `smoke`: networks that train on two CPU cores."""
    default_tasks: tuple[Task, ...] = ()
    """The tasks of a run that names the data set and no task: the published experiment's. Empty: all."""
    scored: tuple[str, ...] = ()
    """The classes whose quality counts for image-level failures. Empty: all of `classes`."""


class Dataset(ABC):
    """A data set on disk. The constructor only stores.

    Args:
        root: the data set's own folder.
    """

    info: ClassVar[DatasetInfo]
    marker: ClassVar[str | None] = None
    """A path or glob pattern of what every tree of it holds; tells its folder from others and one above."""
    generated: ClassVar[bool] = False
    """Whether `prepare` makes the data, so that no folder need be given."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @abstractmethod
    def prepare(self) -> None:
        """Check that the tree is present and well-formed (generated data sets: make it).

        Raises:
            BenchError: naming the missing or malformed file and the expected layout.
        """

    @abstractmethod
    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `train`, `validation` or `test` in natural order; loads no pixels.

        Indexing gives a fresh, untouched `Sample` each time. A split that the data set lacks is empty.
        """

    @classmethod
    @abstractmethod
    def toy(cls, folder: Path) -> Dataset:
        """Itself in miniature: a few small samples written below `folder` in the real layout."""


@dataclass(frozen=True)
class Features:
    """Which features of a segmenter.

    `layer`: "decoder" is what it classifies from: its classifier's input, or what its authors compare by.
    `scales`: lengths of the image's short side to average over; empty for the image as it is.
    """

    layer: str = "decoder"
    scales: tuple[int, ...] = ()


@dataclass(frozen=True)
class Needs:
    """What of a `Prediction` is asked for, beyond labels and confidence. `a | b` joins two.

    Attributes:
        monte_carlo: numbers of stochastic passes whose statistics are wanted.
        branch: whether to give what a confidence branch reads.
        ensemble: members whose probabilities are wanted; the run trains them, segmenters of other seeds.
    """

    logits: bool = False
    probabilities: bool = False
    branch: bool = False
    features: frozenset[Features] = frozenset()
    monte_carlo: frozenset[int] = frozenset()
    ensemble: int = 0

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.logits or other.logits,
            self.probabilities or other.probabilities,
            self.branch or other.branch,
            self.features | other.features,
            self.monte_carlo | other.monte_carlo,
            max(self.ensemble, other.ensemble),
        )

    @property
    def of_one(self) -> Needs:
        """What of it one segmenter is asked for: an ensemble's share is its probabilities."""
        return replace(self, probabilities=self.probabilities or self.ensemble > 0, ensemble=0)


@dataclass(frozen=True)
class MonteCarlo:
    """Statistics over stochastic passes (dropout on), streamed: no pass is kept.

    Attributes:
        mean: float32 (L, *spatial), mean of the softmax.
        entropy: float32 (*spatial), mean over passes of the entropy in nats.
        square: float32 (L, *spatial), mean of the squared softmax.
        logits: float32 (L, *spatial), mean of the logits; None where a pass has none.
    """

    passes: int
    mean: torch.Tensor
    entropy: torch.Tensor
    square: torch.Tensor
    logits: torch.Tensor | None = None


@dataclass
class Prediction:
    """What a segmenter says of one image, at the image's resolution, on the run's device.

    Attributes:
        labels: int64 (*spatial).
        confidence: float32 (*spatial), the maximum softmax probability.
        logits: float32 (L, *spatial), over several scales of the image their mean.
        probabilities: float32 (L, *spatial).
        features: float32 (C, *reduced) a wanted `Features`.
        branch: float32 (C, *reduced) each: the feature maps that a confidence branch of this segmenter reads
            (TCP); how many, and of which layers, the segmenter decides.
        monte_carlo: statistics a wanted number of passes.
        members: float32 (M, L, *spatial), the softmax of every ensemble member, the segmenter's own first.
    """

    labels: torch.Tensor
    confidence: torch.Tensor
    logits: torch.Tensor | None = None
    probabilities: torch.Tensor | None = None
    features: dict[Features, torch.Tensor] = field(default_factory=dict)
    branch: tuple[torch.Tensor, ...] = ()
    monte_carlo: dict[int, MonteCarlo] = field(default_factory=dict)
    members: torch.Tensor | None = None


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


class Memo:
    """Remembers what several methods compute alike, so that it is computed once.

    Attributes:
        saved: seconds that were not spent, since what they would have gone into was remembered.
    """

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[Any, float]] = {}
        self.saved = 0.0

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gave at the first call with this key, which says all that it depends on."""
        if key in self._found:
            self.saved += self._found[key][1]
        else:
            began = time.perf_counter() + self.saved
            value = compute()
            self._found[key] = value, time.perf_counter() + self.saved - began
        found: T = self._found[key][0]
        return found


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


class MakeArtifact(typing.Protocol):
    """The type of `Context.artifact`."""

    def __call__(
        self,
        name: str,
        config: AnyConfig,
        build: Callable[[Path, Context], None],
        *,
        seed: int = 0,
        inputs: Sequence[str] = (),
    ) -> Path:
        """A folder that `build(folder, context)` has filled, built when it is not there.

        Methods that ask for the same share it, and so do runs of other seeds, tasks and presets.

        Args:
            name: what it is, a file name.
            config: all hyper-parameters that it depends on.
            build: its context has this `seed` and a workspace of the artifact's own. Its module's code is
                part of the key.
            seed: of its training; not the run's, unless the caller passes that.
            inputs: keys of whatever else it depends on, such as `Pairs.key`.
        """


@dataclass(frozen=True)
class Context:
    """The run that a plugin works in.

    Attributes:
        info: of the data set that is trained on.
        train: its training samples; they load when indexed.
        device: a torch device string.
        workspace: a folder of the caller's own for checkpoints of unfinished training; survives a kill.
        segmenter: the one whose predictions are scored. None where the result must not depend on it: while
            it is trained itself, and in `Method.fit` on anything but its own (in-fold) predictions.
        track: wraps an iterable in a progress bar: `track(iterable, description, total)`.
        artifact: makes what several methods share, see `MakeArtifact`.
        memo: remembers, for this pass, what methods load alike (a network that several use).
        weights: pretrained weights that were used, name -> file or "none"; goes into the record.
    """

    info: DatasetInfo
    train: Sequence[Sample]
    device: str
    precision: str
    seed: int
    workspace: Path
    segmenter: Segmenter | None
    track: Callable[[Iterable[T], str, int | None], Iterable[T]]
    artifact: MakeArtifact
    memo: Memo = field(default_factory=Memo)
    weights: dict[str, str] = field(default_factory=dict)


class Segmenter(ABC):
    """A segmentation network, from training to prediction. The constructor only stores.

    Args:
        config: its hyper-parameters.
        dataset: the data set it is trained on.
    """

    Config: ClassVar[type[AnyConfig]] = AnyConfig

    def __init__(self, config: AnyConfig, dataset: DatasetInfo) -> None:
        self.config = config
        self.dataset = dataset

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Values of `Config` that the preset, protocol and data set choose."""
        return {}

    def sources(self) -> list[Path]:
        """Files beside its code that say what it is, such as a network's config."""
        return []

    def lacks(self, needs: Needs) -> str | None:
        """Why it cannot give what is needed, with the way out, or None. Asked before it is trained."""
        return None

    @abstractmethod
    def fit(self, samples: Sequence[Sample], context: Context) -> None:
        """Train on `samples`. Afterwards `predict` works."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights below `folder`, with safetensors."""

    @abstractmethod
    def load(self, folder: Path, device: str) -> None:
        """Read what `save` wrote. Afterwards `predict` works."""

    @abstractmethod
    def load_checkpoint(self, file: Path, device: str) -> None:
        """Read a foreign checkpoint with `weights_only=True`.

        Raises:
            BenchError: a pickle that runs code, missing or unexpected keys, other shapes or classes.
        """

    @abstractmethod
    def predict(self, images: torch.Tensor, keys: Sequence[str], needs: Needs, seed: int) -> list[Prediction]:
        """Segment images of one size.

        Args:
            images: float32 (B, C, *spatial), as samples hold them, on the segmenter's device.
            keys: one an image; seeds the stochastic passes with `seed`, so that these do not depend
                on how images are batched.
            needs: what to compute beyond labels and confidence.
            seed: the run's.
        """


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
