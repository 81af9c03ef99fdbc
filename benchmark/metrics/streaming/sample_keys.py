"""The sample keys of a metric state, by which every image counts once."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def add_key(seen: dict[str, T], key: str, value: T) -> None:
    """Record the value of a new key.

    Raises:
        ValueError: the key is recorded already.
    """
    if key in seen:
        raise ValueError(f"image {key!r} was already added to this pooled state; add every image once")
    seen[key] = value


def add_keys(seen: dict[str, T], other: Mapping[str, T]) -> None:
    """Record the keys and values of another state.

    Raises:
        ValueError: a key is in both states; then nothing is recorded.
    """
    both = sorted(seen.keys() & other.keys())
    if both:
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        raise ValueError(
            f"image {both[0]!r}{more} is in both pooled states; "
            "pooled counts cannot be merged where images overlap"
        )
    seen.update(other)


def pack_keys(keys: Iterable[str]) -> NDArray[np.generic]:
    """Return keys as a unicode array, which `numpy.savez` stores without pickle."""
    return np.array(list(keys), dtype=np.str_)


def unpack_keys(packed: NDArray[np.generic]) -> list[str]:
    """Return the keys in an array of `pack_keys`."""
    return [str(key) for key in packed]
