"""Scores and ground truth sorted together: one sort of an image serves every ranking metric.

Sorting pairs (`argsort`) is some thirty times slower than sorting plain 32-bit integers, which numpy does
with SIMD instructions. Floats keep their order when their bits are read as integers, and the scores of an
image never use all 2^32 bit patterns. So the ground truth fits in a spare bit of the same integer, one plain
sort is enough, and nothing is rounded.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Keys = NDArray[np.uint32] | NDArray[np.uint64]
Floats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class Ordering:
    """The scores of an image with their ground truth, in ascending order.

    Attributes:
        keys: (n,), sorted. The lowest bit of a key is 1 for a negative and 0 for a positive, so that within a
            tie positives come first. The other bits order the scores; they are the same for two scores
            exactly when the scores are equal. Empty where the ordering is undefined.
        positives: number of positives.
        negatives: number of negatives.
        undefined: whether a score is NaN, so that the scores have no order.
        low: the lowest score; inf where there is no score.
        high: the highest score; -inf where there is no score.
    """

    keys: Keys
    positives: int
    negatives: int
    undefined: bool
    low: float = np.inf
    high: float = -np.inf
    _type: type[np.float32] | type[np.float64] = np.float32
    _offset: int = 0
    _gap: int = 0
    _ranked: Floats | None = None

    def scores(self) -> Floats:
        """Return the scores, float32 or float64 (n,), in ascending order, with 0.0 in place of -0.0."""
        code = self.keys >> self.keys.dtype.type(1)
        if self._ranked is not None:
            ranked: Floats = self._ranked[code]
            return ranked
        signed: NDArray[Any] = code.view(_signed(code.dtype))
        signed -= self._offset
        below = int(np.searchsorted(signed, 0))
        above = int(np.searchsorted(signed, 0, side="right"))
        signed[above:] += self._gap
        np.negative(signed[:below], out=signed[:below])
        signed[:below] += self._gap
        scores: NDArray[Any] = signed.astype(_signed(np.dtype(self._type)), copy=False).view(self._type)
        np.negative(scores[:below], out=scores[:below])
        return scores

    def negative(self) -> NDArray[np.bool_]:
        """Return which of the scores in ascending order belong to negatives, bool (n,)."""
        return (self.keys & self.keys.dtype.type(1)).astype(np.bool_)


def order(score: ArrayLike, positive: ArrayLike, valid: ArrayLike | None = None) -> Ordering:
    """Order the scores of the valid pixels.

    Args:
        score: any shape, higher = more positive. float32 and float64 keep their precision; float16 and
            integers of up to 32 bits are converted without loss. Infinities are ordinary values, and -0.0
            equals 0.0.
        positive: bool or integers 0 and 1, the same shape.
        valid: bool or integers 0 and 1, the same shape; other pixels are ignored. None: every pixel counts.

    Raises:
        ValueError: the shapes differ, or a mask holds something other than 0 and 1 (a void label, say).
        TypeError: the type of the scores cannot be converted to float64 without loss.
    """
    scores = _as_floats(np.asarray(score))
    truth = _as_mask(np.asarray(positive), "positive")
    _require_shape(truth, scores, "positive")
    if valid is not None:
        mask = _as_mask(np.asarray(valid), "valid")
        _require_shape(mask, scores, "valid")
        if not mask.all():
            scores, truth = scores[mask], truth[mask]
    scores, truth = scores.ravel(), truth.ravel()
    positives = int(np.count_nonzero(truth))
    negatives = truth.size - positives
    if not scores.size:
        return Ordering(np.empty(0, np.uint32), 0, 0, False)
    low, high = float(scores.min()), float(scores.max())
    if np.isnan(low):
        return Ordering(np.empty(0, np.uint32), positives, negatives, True)
    codes, offset, gap, ranked = _encode(scores, low, high)
    keys: Keys = codes << codes.dtype.type(1)
    keys |= np.logical_not(truth)
    keys.sort()
    return Ordering(keys, positives, negatives, False, low, high, scores.dtype.type, offset, gap, ranked)


def _encode(scores: Floats, low: float, high: float) -> tuple[Keys, int, int, Floats | None]:
    """Encode scores as unsigned integers in the same order, whose highest bit is not used.

    Returns:
        The codes; the code of zero; how far the codes of nonzero scores are moved towards that of zero; and,
        where no such code exists, the distinct scores in ascending order, in which the codes are indices.
    """
    signed, unsigned = _signed(scores.dtype), np.dtype(f"u{scores.dtype.itemsize}")
    if low > 0:
        return scores.view(unsigned), 0, 0, None
    # Adding zero turns -0.0 into 0.0.
    bits: NDArray[Any] = (scores + scores.dtype.type(0)).view(signed)
    if low == 0:
        return bits.view(unsigned), 0, 0, None
    magnitude: NDArray[Any] = bits & np.iinfo(signed).max
    largest = int(magnitude.max())
    if high <= 0:
        return (largest - magnitude).view(unsigned), largest, 0, None
    # Where both signs occur, the patterns between zero and the smallest magnitude are unused: close this gap.
    # Zero itself must not count as the smallest: subtracting 1 turns zero into the largest unsigned number.
    gap = int((magnitude - 1).view(unsigned).min())
    if 2 * (largest - gap) > np.iinfo(signed).max:
        if signed.itemsize == 8:
            table, codes = np.unique(bits.view(scores.dtype), return_inverse=True)
            return codes.astype(np.uint64), 0, 0, table
        # 32 bits of magnitude, the sign and the ground truth fit in 64 bits.
        bits, magnitude, unsigned = bits.astype(np.int64), magnitude.astype(np.int64), np.dtype("u8")
    offset = largest - gap
    magnitude -= gap
    np.maximum(magnitude, 0, out=magnitude)
    sign = bits >> (8 * bits.itemsize - 1)
    magnitude ^= sign
    magnitude -= sign
    magnitude += offset
    return magnitude.view(unsigned), offset, gap, None


def _signed(dtype: "np.dtype[Any]") -> "np.dtype[Any]":
    return np.dtype(f"i{dtype.itemsize}")


def _as_floats(score: NDArray[Any]) -> Floats:
    kind, width = score.dtype.kind, score.dtype.itemsize
    if kind == "f" and width <= 4:
        return score.astype(np.float32, copy=False)
    if (kind == "f" and width == 8) or (kind in "biu" and width <= 4):
        return score.astype(np.float64, copy=False)
    raise TypeError(
        f"scores of type {score.dtype} cannot be ranked without rounding; pass float32 or float64"
    )


def _as_mask(mask: NDArray[Any], name: str) -> NDArray[np.bool_]:
    if mask.dtype == np.bool_:
        return mask
    truth: NDArray[np.bool_] = mask == 1
    if not np.array_equal(truth, mask != 0):
        raise ValueError(
            f"`{name}` must hold only 0 and 1 (or false and true), got {mask.dtype} with other values"
        )
    return truth


def _require_shape(mask: NDArray[np.bool_], score: Floats, name: str) -> None:
    if mask.shape != score.shape:
        raise ValueError(f"`{name}` has shape {mask.shape}, but `score` has shape {score.shape}")
