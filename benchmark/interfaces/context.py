"""The run that a plugin works in."""

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
