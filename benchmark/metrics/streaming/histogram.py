"""A histogram over the bits of float32 scores: fine enough for a whole data set, in bounded memory.

Every octave [2^e, 2^(e+1)) of either sign has bins of its own, which are allocated when the first score falls
in the octave. Where scores crowd is not known beforehand, but floats are dense where scores crowd most: near
0. The octave [0.5, 1) has a bin for each of its 2^23 floats, since negated maximum softmax probabilities
crowd close to -1.
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
    """Return how many low bits of the mantissa a bin ignores: at most 7, so that its tag fits in a byte."""
    exponent = octave - _BIAS
    if exponent == -1:
        return 0
    if -3 <= exponent <= 4:
        return 2
    return 5 if -26 <= exponent <= 31 else 7


class _Octave:
    """The bins of one octave of one sign, smallest magnitude first.

    Attributes:
        dropped: how many low bits of the mantissa a bin ignores.
        counts: (2 n,), the numbers of positives and negatives in each bin, in turns.
        tags: uint8 (n,), 255 for a bin that mixes several scores, else 1 + the ignored bits of the bin's one
            distinct score; 0 for an empty bin, and where a bin ignores no bits.
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
        """Count scores by their mantissas.

        Args:
            mantissa: (m,), ascending.
            negative: (m,), whether a score belongs to a negative.
            rounded: (m,), whether float32 does not hold a score exactly; None where all are held exactly.
        """
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
        """Merge the tags of distinct bins with those recorded before."""
        recorded = self.tags[bins]
        changed = np.flatnonzero(recorded != tags)
        if changed.size:
            recorded, tags = recorded[changed], tags[changed]
            tags = np.where(recorded == 0, tags, np.where(tags == 0, recorded, _MIXED)).astype(np.uint8)
            self.tags[bins[changed]] = tags


class ScoreHistogram:
    """Counts positives and negatives by score.

    Memory: a bin takes 9 bytes. An octave takes 72 MiB in [0.5, 1), 18 MiB elsewhere from 0.125 to 32,
    2.3 MiB elsewhere from 2^-26 to 2^32, and 0.6 MiB outside. Together, scores in [0, 1] take about 180 MiB,
    and scores in all octaves of both signs 870 MiB. Counts have 32 bits as long as the total fits; from 2^32
    pixels on they have 64 bits and take twice the memory.

    Attributes:
        total: number of scores that were counted.
    """

    def __init__(self) -> None:
        self.total = 0
        self._octaves: dict[tuple[bool, int], _Octave] = {}

    def add(self, ordering: Ordering) -> None:
        """Count the scores of one image.

        float64 scores are counted as float32. The bin of a score that this rounds is marked as mixed, since
        the order within the bin is no longer known.
        """
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
            self._octaves, key=lambda key: -1 - key[1] if key[0] else key[1], reverse=True
        ):
            octave_bins = self._octaves[below, octave]
            size = octave_bins.tags.size
            for begin in range(0, size, _CHUNK):
                part = (
                    slice(begin, begin + _CHUNK)
                    if below
                    else slice(max(size - begin - _CHUNK, 0), size - begin)
                )
                pairs = octave_bins.counts.reshape(-1, 2)[part]
                rows = np.flatnonzero(pairs.any(axis=1))
                rows = rows if below else rows[::-1]
                if rows.size:
                    counts = pairs[rows].astype(np.int64)
                    yield Bins(counts[:, 0], counts[:, 1], octave_bins.tags[part][rows] != _MIXED)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the bins that are not empty as arrays: octave with sign, bin, counts and tag."""
        parts = []
        for (below, octave), octave_bins in sorted(self._octaves.items()):
            pairs = octave_bins.counts.reshape(-1, 2)
            rows = np.flatnonzero(pairs.any(axis=1))
            place = np.full(rows.size, octave << 1 | below, np.int16)
            parts.append((place, rows.astype(np.int32), pairs[rows], octave_bins.tags[rows]))
        if not parts:
            parts.append(
                (np.zeros(0, np.int16), np.zeros(0, np.int32), np.zeros((0, 2), np.uint64), np.zeros(0, "u1"))
            )
        place, rows, counts, tags = (np.concatenate(column) for column in zip(*parts, strict=True))
        return {"octave": place, "bin": rows, "counts": counts, "tag": tags}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.generic]]) -> "ScoreHistogram":
        """Restore a histogram from the arrays of `to_arrays`."""
        histogram = cls()
        counts = np.asarray(arrays["counts"], np.uint64)
        histogram._grow(int(counts.sum()))
        for place in np.unique(arrays["octave"]):
            rows = arrays["octave"] == place
            octave_bins = histogram._octave(bool(int(place) & 1), int(place) >> 1)
            bins = np.asarray(arrays["bin"], np.int64)[rows]
            octave_bins.counts.reshape(-1, 2)[bins] = counts[rows]
            octave_bins.tags[bins] = np.asarray(arrays["tag"], np.uint8)[rows]
        return histogram

    def _octave(self, below: bool, octave: int) -> _Octave:
        octave_bins = self._octaves.get((below, octave))
        if octave_bins is None:
            octave_bins = self._octaves[below, octave] = _Octave(octave)
            if self.total > np.iinfo(np.uint32).max:
                octave_bins.widen()
        return octave_bins

    def _grow(self, count: int) -> None:
        self.total += count
        if self.total > np.iinfo(np.uint32).max:
            for octave_bins in self._octaves.values():
                octave_bins.widen()
