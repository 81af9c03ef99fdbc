"""Component metrics over a data set, at the threshold that is best for all its pixels together.

The threshold is known only when every score has been seen, and components need the maps again. So each map is
kept on disk, one byte a pixel: the highest of 254 candidate thresholds that it reaches.
"""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..components import ComponentMetrics, overlaps, summarize
from .sample_keys import add_key

LEVELS = 254
SEEN = 1 << 22
"""Pixels that are looked at before candidate thresholds are fixed."""
BEYOND = np.geomspace(1 / 16, 64, 20)
"""Distances of further candidates from these pixels' scores, on both sides, in units of their range."""
REARMOST = 1e-5
"""The smallest share of normal pixels above a candidate threshold, among the pixels that were looked at."""

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


class ComponentReport(NamedTuple):
    """Component metrics with the threshold that they were found at.

    Attributes:
        threshold: a pixel is predicted anomalous where its score reaches it.
        pixel_f1: of all pixels together at that threshold; the best of the candidates.
    """

    metrics: ComponentMetrics
    threshold: float
    pixel_f1: float


class ComponentState:
    """Collects score maps of a data set, image by image; memory does not grow with their number.

    Candidate thresholds are scores of the first 2^22 pixels: quantiles of anomalous ones, and of normal ones
    ever closer to the top, so that from one to the next hits fall by about 1/106 and false alarms by a ninth;
    and a few beyond them all, should later images score otherwise. They are rounded to 15 bits of the
    mantissa, which makes a map's bytes a look-up.

    Args:
        folder: where the temporary file goes, one byte and a bit a pixel; it is gone when the state is. None:
            the system's.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._held: list[tuple[Floats, Mask, Mask]] = []
        self._seen = 0
        self._levels: _Levels | None = None
        self._positive = np.zeros(LEVELS + 1, np.int64)
        self._negative = np.zeros(LEVELS + 1, np.int64)

    def update(self, key: str, score: Floats, positive: Mask, valid: Mask) -> None:
        """Add one image.

        Args:
            score: float32 (*spatial), finite or infinite where valid, higher = more anomalous.
            positive, valid: bool (*spatial).

        Raises:
            ValueError: the key was seen before.
            OSError: the disk is full.
        """
        add_key(self._shapes, key, score.shape)
        positive = positive & valid
        if self._levels is not None:
            self._keep(score, positive, valid)
            return
        self._held.append((score.copy(), positive, valid.copy()))
        self._seen += int(valid.sum())
        if self._seen >= SEEN:
            self._fix()

    def compute(self) -> ComponentReport:
        """The metrics over the components of all images."""
        if self._levels is None:
            self._fix()
        assert self._levels is not None
        hits = self._positive[::-1].cumsum()[::-1][1:]
        alarms = self._negative[::-1].cumsum()[::-1][1:]
        total = int(self._positive.sum())
        found = hits + alarms + total
        f1 = np.divide(2 * hits, found, out=np.zeros(LEVELS), where=found > 0)[: len(self._levels.edges)]
        if not total:
            return ComponentReport(summarize([]), math.nan, math.nan)
        # Of equally good thresholds the highest.
        level = len(f1) - int(np.argmax(f1[::-1]))
        found_at = (overlaps(positive, reached >= level) for reached, positive in self._read())
        return ComponentReport(
            summarize(found_at), float(self._levels.edges[level - 1]), float(f1[level - 1])
        )

    def _fix(self) -> None:
        """Fix the candidate thresholds, and keep what was held until now."""
        parts = [(score[valid], positive[valid]) for score, positive, valid in self._held]
        scores = np.concatenate([score for score, _ in parts] or [np.zeros(0, np.float32)])
        truth = np.concatenate([mask for _, mask in parts] or [np.zeros(0, np.bool_)])
        self._levels = _Levels(candidates(scores[truth], scores[~truth]))
        for image in self._held:
            self._keep(*image)
        self._held.clear()

    def _keep(self, score: Floats, positive: Mask, valid: Mask) -> None:
        assert self._levels is not None
        reached = self._levels.reached(score)
        reached *= valid
        hits = np.bincount(reached[positive], minlength=LEVELS + 1)
        self._positive += hits
        # Void pixels reach no threshold, and who reaches none is never asked for.
        self._negative += np.bincount(reached.ravel(), minlength=LEVELS + 1) - hits
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        self._file.write(reached.tobytes())
        self._file.write(np.packbits(positive).tobytes())

    def _read(self) -> Iterator[tuple[NDArray[np.uint8], Mask]]:
        """Every image: the thresholds that its pixels reach, and its anomalous pixels."""
        if self._file is None:
            return
        self._file.seek(0)
        for shape in self._shapes.values():
            size = math.prod(shape)
            reached = np.frombuffer(self._file.read(size), np.uint8).reshape(shape)
            packed = np.frombuffer(self._file.read(-(-size // 8)), np.uint8)
            yield reached, np.unpackbits(packed, count=size).astype(np.bool_).reshape(shape)


def candidates(positive: Floats, negative: Floats) -> Floats:
    """Ascending scores, at most `LEVELS`, that thresholds are chosen from; the lowest of either part is one.

    Args:
        positive, negative: float32 (n,), scores of anomalous and of normal pixels.
    """
    half = LEVELS // 2 - 1 - len(BEYOND)
    chosen = [np.array([part.min()]) for part in (positive, negative) if part.size]
    if positive.size:
        ranks = np.linspace(0, positive.size - 1, half).astype(np.intp)
        chosen.append(np.sort(positive)[ranks])
    if negative.size:
        above = np.geomspace(REARMOST, 1, half) * negative.size
        ranks = negative.size - np.clip(np.ceil(above).astype(np.intp), 1, negative.size)
        chosen.append(np.sort(negative)[ranks])
    found = np.concatenate(chosen or [np.zeros(0, np.float32)])
    finite = found[np.isfinite(found)].astype(np.float64)
    if finite.size:
        distances = np.ptp(finite) * BEYOND
        chosen += [finite.min() - distances, finite.max() + distances]
        with np.errstate(over="ignore"):
            found = np.concatenate(chosen).astype(np.float32)
    return np.unique(_rounded(found))


class _Levels:
    """Finds the highest threshold that a score reaches, by a table over the leading 24 bits of its order."""

    def __init__(self, edges: Floats) -> None:
        self.edges = edges
        places = _place(edges)
        self._first = int(places[0]) if places.size else 0
        reach = int(places[-1]) - self._first + 1 if places.size else 0
        ascending = np.arange(-1, reach, dtype=np.int64) + self._first
        self._table = np.searchsorted(places, ascending, side="right").astype(np.uint8)

    def reached(self, score: Floats) -> NDArray[np.uint8]:
        """How many of the thresholds each score reaches. uint8 (*spatial)."""
        rows = _place(score)
        rows -= self._first - 1
        np.clip(rows, 0, self._table.size - 1, out=rows)
        return self._table[rows]


def _place(score: Floats) -> NDArray[np.int32]:
    """A whole number that orders scores by their leading 24 bits."""
    bits = (np.ascontiguousarray(score) + np.float32(0)).view(np.int32)
    return (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))) >> 8


def _rounded(score: Floats) -> Floats:
    """The lowest score of the same place."""
    ordered = _place(score) << 8
    lowest: Floats = (ordered ^ ((ordered >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)
    # No score is below -inf, whose place holds NaN else.
    return np.where(np.isnan(lowest), np.float32(-np.inf), lowest)
