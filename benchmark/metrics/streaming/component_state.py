"""Metrics over the components of a data set, at the threshold that is best for all its pixels together.

The threshold is known only when every score has been seen, and then the components need the score maps again.
So each score map is kept on disk with one byte a pixel: the number of candidate thresholds, of at most 254,
that the pixel's score reaches.
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
"""The largest number of candidate thresholds: the numbers 0 to 254 fit in a byte."""
SEEN = 1 << 22
"""The number of scored pixels from which candidate thresholds are chosen: those of the first images."""
BEYOND = np.geomspace(1 / 16, 64, 20)
"""Distances of further candidates from the range of those scores, on both sides, in units of the range."""
REARMOST = 1e-5
"""The smallest share of normal pixels that a candidate leaves above itself, among the first pixels."""

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


class ComponentReport(NamedTuple):
    """Metrics over components, with the threshold at which they were computed.

    Attributes:
        metrics: of all images together.
        threshold: a pixel is predicted anomalous where its score reaches the threshold.
        pixel_f1: F1 of all pixels together at that threshold, the best among the candidates; a fraction.
    """

    metrics: ComponentMetrics
    threshold: float
    pixel_f1: float


class ComponentState:
    """Collects the score maps of a data set, image by image; memory does not grow with their number.

    Candidate thresholds are chosen from the scores of the first 2^22 scored pixels: quantiles of the scores
    of anomalous pixels, and quantiles of those of normal pixels that lie ever closer to the top. From one
    candidate to the next, hits fall by about 1/106 and false alarms by about a ninth. A few candidates lie
    beyond the range of these scores, in case later images have others. Candidates are rounded to 15 bits of
    the mantissa, so that a look-up in a table turns a score into the number of candidates that it reaches.

    Args:
        folder: the folder of a temporary file, one byte and one bit a pixel, which is gone when the state is;
            None for the system's folder.
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
            key: of the image, unique in the data set.
            score: float32 (*spatial), no NaN where valid, higher = more anomalous.
            positive: bool (*spatial), true on anomalous pixels.
            valid: bool (*spatial), false where nothing is scored.

        Raises:
            ValueError: an image of this key was added before.
            OSError: the temporary file cannot be written.
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
        """Compute the metrics over the components of all images; NaN where no pixel is anomalous.

        Raises:
            OSError: the temporary file cannot be written or read.
        """
        if self._levels is None:
            self._fix()
        assert self._levels is not None
        hits = self._positive[::-1].cumsum()[::-1][1:]
        false_alarms = self._negative[::-1].cumsum()[::-1][1:]
        total = int(self._positive.sum())
        # 2 TP + FP + FN, since the misses (FN) are the anomalous pixels that are no hits.
        denominator = hits + false_alarms + total
        f1 = np.divide(2 * hits, denominator, out=np.zeros(LEVELS), where=denominator > 0)
        f1 = f1[: len(self._levels.edges)]
        if not total:
            return ComponentReport(summarize([]), math.nan, math.nan)
        # Of equally good thresholds the highest is taken.
        level = len(f1) - int(np.argmax(f1[::-1]))
        metrics = summarize(overlaps(positive, reached >= level) for reached, positive in self._read())
        return ComponentReport(metrics, float(self._levels.edges[level - 1]), float(f1[level - 1]))

    def _fix(self) -> None:
        """Choose the candidate thresholds, and write the images that were held until now."""
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
        # Void pixels count among the negatives that reach no threshold, whose number is never read.
        self._negative += np.bincount(reached.ravel(), minlength=LEVELS + 1) - hits
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        self._file.write(reached.tobytes())
        self._file.write(np.packbits(positive).tobytes())

    def _read(self) -> Iterator[tuple[NDArray[np.uint8], Mask]]:
        """Yield for each image the number of thresholds that its pixels reach, and its anomalous pixels."""
        if self._file is None:
            return
        self._file.seek(0)
        for shape in self._shapes.values():
            size = math.prod(shape)
            reached = np.frombuffer(self._file.read(size), np.uint8).reshape(shape)
            packed = np.frombuffer(self._file.read(-(-size // 8)), np.uint8)
            yield reached, np.unpackbits(packed, count=size).astype(np.bool_).reshape(shape)


def candidates(positive: Floats, negative: Floats) -> Floats:
    """Choose at most `LEVELS` candidate thresholds, among them the lowest score of either kind of pixel.

    Args:
        positive: float32 (n,), scores of anomalous pixels.
        negative: float32 (m,), scores of normal pixels.

    Returns:
        float32, ascending.
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
    thresholds = np.concatenate(chosen or [np.zeros(0, np.float32)])
    finite = thresholds[np.isfinite(thresholds)].astype(np.float64)
    if finite.size:
        distances = np.ptp(finite) * BEYOND
        chosen += [finite.min() - distances, finite.max() + distances]
        with np.errstate(over="ignore"):
            thresholds = np.concatenate(chosen).astype(np.float32)
    return np.unique(_rounded(thresholds))


class _Levels:
    """Finds how many thresholds a score reaches, by a table over the leading 24 bits of ordered scores.

    Args:
        edges: float32, the thresholds in ascending order.
    """

    def __init__(self, edges: Floats) -> None:
        self.edges = edges
        places = _place(edges)
        self._first = int(places[0]) if places.size else 0
        reach = int(places[-1]) - self._first + 1 if places.size else 0
        ascending = np.arange(-1, reach, dtype=np.int64) + self._first
        self._table = np.searchsorted(places, ascending, side="right").astype(np.uint8)

    def reached(self, score: Floats) -> NDArray[np.uint8]:
        """Return how many of the thresholds each score reaches, uint8 (*spatial)."""
        rows = _place(score)
        rows -= self._first - 1
        np.clip(rows, 0, self._table.size - 1, out=rows)
        return self._table[rows]


def _place(score: Floats) -> NDArray[np.int32]:
    """Return whole numbers that order scores by their leading 24 bits."""
    bits = (np.ascontiguousarray(score) + np.float32(0)).view(np.int32)
    return (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))) >> 8


def _rounded(score: Floats) -> Floats:
    """Return the lowest score that has the same place as each score."""
    ordered = _place(score) << 8
    lowest: Floats = (ordered ^ ((ordered >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)
    # The place of -inf also holds NaNs, and -inf is its lowest score.
    return np.where(np.isnan(lowest), np.float32(-np.inf), lowest)
