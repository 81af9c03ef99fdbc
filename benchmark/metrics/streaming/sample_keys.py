"""Sample keys of metric states: each image counts once, whoever sends it."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def add_key(seen: dict[str, T], key: str, value: T) -> None:
    """Record a new key; raises ValueError where it was seen before."""
    if key in seen:
        raise ValueError(
            f"image {key!r} was already added to this pooled state; each image may be added once"
        )
    seen[key] = value


def add_keys(seen: dict[str, T], other: Mapping[str, T]) -> None:
    """Record the keys of another state; raises ValueError, and changes nothing, where one is in both."""
    both = sorted(seen.keys() & other.keys())
    if both:
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        raise ValueError(
            f"image {both[0]!r}{more} is in both pooled states; "
            "pooled counts cannot be merged where images overlap"
        )
    seen.update(other)


def pack_keys(keys: Iterable[str]) -> NDArray[np.generic]:
    """Return keys as a unicode array, which needs no pickle on disk."""
    return np.array(list(keys), dtype=np.str_)


def unpack_keys(packed: NDArray[np.generic]) -> list[str]:
    """Return the keys that `pack_keys` packed."""
    return [str(key) for key in packed]
