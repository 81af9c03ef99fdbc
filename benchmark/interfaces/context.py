"""`Context`, what a plugin may use of the run that it works in."""

from __future__ import annotations

import time
import typing
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .data import DatasetInfo, Sample
from .settings import AnyConfig

if TYPE_CHECKING:
    from .segmenter import Segmenter

T = TypeVar("T")


class Memo:
    """A cache by which several methods share a value that is computed once.

    Attributes:
        saved: seconds of computing that the cache has spared so far.
    """

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[Any, float]] = {}
        self.saved = 0.0

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The value of a key, from `compute()` when the key is new.

        Args:
            key: all that the value depends on.
            compute: called at most once per key.
        """
        if key in self._values:
            self.saved += self._values[key][1]
        else:
            began = time.perf_counter() + self.saved
            computed = compute()
            self._values[key] = computed, time.perf_counter() + self.saved - began
        value: T = self._values[key][0]
        return value


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
        """The folder of an artifact. `build(folder, context)` fills the folder if it does not exist yet.

        Methods that ask for the same artifact share one folder, over seeds, tasks and presets of runs.

        Args:
            name: what the artifact is, such as "cgan"; becomes part of the folder's name.
            config: all hyper-parameters that the artifact depends on.
            build: makes the artifact, with a context of this `seed` and a workspace of its own. A change of
                the code that `build` runs makes the artifact anew.
            seed: of the artifact's training. The run's seed only counts if the caller passes it here.
            inputs: keys of all else that the artifact depends on, such as `Pairs.key`.
        """


@dataclass(frozen=True)
class Context:
    """What a plugin may use of the run that it works in.

    Attributes:
        info: the facts of the data set that is trained on.
        train: the training samples of that data set; a sample loads when used.
        device: the torch device to compute on, as text.
        precision: the precision of training, as Lightning Fabric names it ("32", "bf16-mixed").
        seed: the seed of the run, or of the artifact that is made.
        workspace: a folder for checkpoints of unfinished training, used by this caller alone. The folder
            survives when the run is killed.
        segmenter: the segmenter whose predictions are scored. None while a segmenter is trained, and in
            `Method.fit` on anything but in-fold predictions, since the result must not depend on it there.
        track: wraps an iterable in a progress bar: `track(iterable, description, total)`.
        artifact: makes or finds something that several methods share, see `MakeArtifact`.
        memo: a cache for one pass over the images, shared by all methods; for loaded networks, say.
        weights: for the record, the pretrained weights that were used: what for -> file name, or "none".
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
