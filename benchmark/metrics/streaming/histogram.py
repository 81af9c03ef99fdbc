"""A histogram over the bits of float32 scores: fine enough for a whole data set, in bounded memory.

Every octave [2^e, 2^(e+1)) of either sign has bins of its own, allocated when first met. Scores crowd in
places that are not known beforehand, but floats are dense where scores crowd most: near 0 they are exact
already, and [0.5, 1) gets a bin for each of its 2^23 floats, since a negated maximum softmax probability
piles up below 1.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..brackets import Bins
from ..ordering import Ordering

_MANTISSA = 23
_BIAS = 127
_CHUNK = 1 << 19
_MIXED = 255


def _dropped_bits(octave: int) -> int:
    """Return how many low bits of the mantissa a bin ignores; at most 7, so that its tag fits in a byte."""
    exponent = octave - _BIAS
    if exponent == -1:
        return 0
    if -3 <= exponent <= 4:
        return 2
    return 5 if -26 <= exponent <= 31 else 7


class _Octave:
    """Counts of one octave, smallest magnitude first.

    `counts` (2 n,) alternates positives and negatives. `tags` (n,) is 0 for a bin without a recorded value,
    1 + its low bits for a bin with one distinct value, 255 for one that mixes values.
    """

    def __init__(self, octave: int) -> None:
        self.dropped = _dropped_bits(octave)
        bins = 1 << (_MANTISSA - self.dropped)
        self.counts: NDArray[np.uint32] | NDArray[np.uint64] = np.zeros(2 * bins, np.uint32)
        self.tags = np.zeros(bins, np.uint8)

    def widen(self) -> None:
        self.counts = self.counts.astype(np.uint64, copy=False)

    def add(
        self, mantissa: NDArray[np.int32], negative: NDArray[np.bool_], rounded: NDArray[np.bool_] | None
    ) -> None:
        """Count ascending mantissas; `rounded` marks scores that float32 does not hold exactly."""
        bins = mantissa >> self.dropped
        slots = bins.astype(np.intp) << 1
        slots |= negative
        np.add.at(self.counts, slots, self.counts.dtype.type(1))
        if self.dropped:
            first = np.concatenate(([0], np.flatnonzero(bins[1:] != bins[:-1]) + 1))
            last = np.append(first[1:], bins.size) - 1
            mask = (1 << self.dropped) - 1
            tags = (1 + (mantissa[first] & mask)).astype(np.uint8)
            tags[mantissa[first] != mantissa[last]] = _MIXED
            self.tag(bins[first], tags)
        if rounded is not None:
            self.tags[bins[rounded]] = _MIXED

    def tag(self, bins: NDArray[np.integer], tags: NDArray[np.uint8]) -> None:
        """Record the values seen in distinct bins."""
        known = self.tags[bins]
        changed = np.flatnonzero(known != tags)
        if changed.size:
            known, tags = known[changed], tags[changed]
            tags = np.where(known == 0, tags, np.where(tags == 0, known, _MIXED)).astype(np.uint8)
            self.tags[bins[changed]] = tags


class ScoreHistogram:
    """Counts of positives and negatives by score.

    Memory: 9 bytes a bin. An octave takes 72 MiB for +-[0.5, 1), 18 MiB from 0.125 to 32, 2.3 MiB from 2^-26
    to 2^32 and 0.6 MiB elsewhere: about 180 MiB for scores in [0, 1], 870 MiB if every octave of both signs
    occurs. Counts are 32-bit until the total could overflow them; from 2^32 pixels on counts take twice the
    memory.
    """

    def __init__(self) -> None:
        self.total = 0
        self._octaves: dict[tuple[bool, int], _Octave] = {}

    def add(self, ordering: Ordering) -> None:
        """Count the scores of one image; float64 is binned as float32, which loses only exactness of ties."""
        self._grow(ordering.keys.size)
        scores = ordering.scores()
        negative = ordering.negative()
        rounded = None
        if scores.dtype == np.float64:
            with np.errstate(over="ignore", under="ignore"):
                narrow = scores.astype(np.float32) + np.float32(0)
            inexact = narrow != scores
            rounded = inexact if inexact.any() else None
        else:
            narrow = scores
        bits = narrow.view(np.int32)
        # Rounding to float32 can leave a zero with either sign, but `+ 0` has made it positive.
        zero = int(np.searchsorted(narrow, 0))
        for below, part in ((True, slice(0, zero)), (False, slice(zero, None))):
            step = -1 if below else 1
            magnitude = np.ascontiguousarray(bits[part][::step] & np.int32(0x7FFFFFFF))
            marks = None if rounded is None else rounded[part][::step]
            self._add_side(below, magnitude, negative[part][::step], marks)

    def _add_side(
        self,
        below: bool,
        magnitude: NDArray[np.int32],
        negative: NDArray[np.bool_],
        rounded: NDArray[np.bool_] | None,
    ) -> None:
        start = 0
        while start < magnitude.size:
            octave = int(magnitude[start]) >> _MANTISSA
            base = octave << _MANTISSA
            stop = start + int(np.searchsorted(magnitude[start:], np.int32(base | 0x7FFFFF), side="right"))
            marks = None if rounded is None else rounded[start:stop]
            self._octave(below, octave).add(
                magnitude[start:stop] - np.int32(base), negative[start:stop], marks
            )
            start = stop

    def merge(self, other: "ScoreHistogram") -> None:
        """Add the counts of another histogram."""
        self._grow(other.total)
        for (below, octave), theirs in other._octaves.items():
            ours = self._octave(below, octave)
            ours.counts += theirs.counts.astype(ours.counts.dtype, copy=False)
            occupied = np.flatnonzero(theirs.tags)
            ours.tag(occupied, theirs.tags[occupied])

    def bins(self) -> Iterator[Bins]:
        """Yield the bins that are not empty, in pieces of at most 2^19, highest scores first."""
        for below, octave in sorted(
            self._octaves, key=lambda at: at[1] if not at[0] else -1 - at[1], reverse=True
        ):
            page = self._octaves[below, octave]
            size = page.tags.size
            for begin in range(0, size, _CHUNK):
                part = (
                    slice(begin, begin + _CHUNK)
                    if below
                    else slice(max(size - begin - _CHUNK, 0), size - begin)
                )
                pairs = page.counts.reshape(-1, 2)[part]
                rows = np.flatnonzero(pairs.any(axis=1))
                rows = rows if below else rows[::-1]
                if rows.size:
                    counts = pairs[rows].astype(np.int64)
                    yield Bins(counts[:, 0], counts[:, 1], page.tags[part][rows] != _MIXED)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the occupied bins as arrays: octave, sign, bin, counts and tag of each."""
        parts = []
        for (below, octave), page in sorted(self._octaves.items()):
            pairs = page.counts.reshape(-1, 2)
            rows = np.flatnonzero(pairs.any(axis=1))
            place = np.full(rows.size, octave << 1 | below, np.int16)
            parts.append((place, rows.astype(np.int32), pairs[rows], page.tags[rows]))
        if not parts:
            parts.append(
                (np.zeros(0, np.int16), np.zeros(0, np.int32), np.zeros((0, 2), np.uint64), np.zeros(0, "u1"))
            )
        place, rows, counts, tags = (np.concatenate(column) for column in zip(*parts, strict=True))
        return {"octave": place, "bin": rows, "counts": counts, "tag": tags}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.generic]]) -> "ScoreHistogram":
        """Restore what `to_arrays` returned."""
        histogram = cls()
        counts = np.asarray(arrays["counts"], np.uint64)
        histogram._grow(int(counts.sum()))
        for place in np.unique(arrays["octave"]):
            rows = arrays["octave"] == place
            page = histogram._octave(bool(int(place) & 1), int(place) >> 1)
            bins = np.asarray(arrays["bin"], np.int64)[rows]
            page.counts.reshape(-1, 2)[bins] = counts[rows]
            page.tags[bins] = np.asarray(arrays["tag"], np.uint8)[rows]
        return histogram

    def _octave(self, below: bool, octave: int) -> _Octave:
        page = self._octaves.get((below, octave))
        if page is None:
            page = self._octaves[below, octave] = _Octave(octave)
            if self.total > np.iinfo(np.uint32).max:
                page.widen()
        return page

    def _grow(self, count: int) -> None:
        self.total += count
        if self.total > np.iinfo(np.uint32).max:
            for page in self._octaves.values():
                page.widen()
