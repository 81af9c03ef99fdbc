"""Volumes in patches: cut for training, slid over and joined for synthesis; their range of intensities."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from segalarm.benchmark.interfaces import VOID, Float32, Labels, Sample
from segalarm.methods.dimensions import Size
from torch import Tensor

FOREGROUND = 0.5
"""Share of the training patches around a voxel of the foreground (classes from 1 on)."""
STRIDE = 0.75
"""The largest step of the sliding window, as a share of its length."""
PERCENTILES = (0.5, 99.5)
RANGED = 32
"""The most volumes whose intensities are looked at."""


def random_patch(
    image: Float32, label: Labels, size: Size, generator: np.random.Generator
) -> tuple[Float32, Labels]:
    """A patch of a volume; every other one lies around a voxel of the foreground, of each class as often.

    Args:
        image: (C, *spatial). Where it is smaller than `size` its edge is repeated, and the label is void.
        label: (*spatial).
    """
    beyond = [(0, max(0, length - have)) for length, have in zip(size, label.shape, strict=True)]
    image = np.pad(image, [(0, 0), *beyond], mode="edge")
    label = np.pad(label, beyond, constant_values=VOID)
    present = [number for number in np.unique(label) if number not in (0, VOID)]
    most = np.subtract(label.shape, size)
    if present and generator.random() < FOREGROUND:
        voxels = np.flatnonzero(label == generator.choice(present))
        centre = np.unravel_index(generator.choice(voxels), label.shape)
        start = np.clip(np.subtract(centre, np.floor_divide(size, 2)), 0, most)
    else:
        start = generator.integers(0, most, endpoint=True)
    window = tuple(slice(int(a), int(a) + length) for a, length in zip(start, size, strict=True))
    return image[:, *window], label[window]


def windows(shape: Size, size: Size) -> Iterator[tuple[slice, ...]]:
    """Windows of a size that cover a shape, evenly spaced, neighbours overlapping by a quarter at least."""
    starts = []
    for have, length in zip(shape, size, strict=True):
        count = 1 + math.ceil(max(0, have - length) / (STRIDE * length))
        starts.append([round(start) for start in np.linspace(0, max(0, have - length), count)])
    for corner in itertools.product(*starts):
        yield tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))


def slide(synthesize: Callable[[Tensor], Tensor], labels: Tensor, size: Size, channels: int) -> Tensor:
    """Synthesize a volume window by window; where windows overlap, the mean, weighted towards their middles.

    A window that holds one label alone is synthesized once.

    Args:
        synthesize: int64 (1, *size) to float32 (1, channels, *size).
        labels: int64 (*spatial).

    Returns:
        float32 (channels, *spatial).
    """
    shape = tuple(labels.shape)
    beyond = [max(0, length - have) for have, length in zip(shape, size, strict=True)]
    padded = F.pad(labels, [length for more in reversed(beyond) for length in (0, more)], value=VOID)
    weight = _hat(size, labels.device)
    total = torch.zeros((channels, *padded.shape), device=labels.device)
    weights = torch.zeros(padded.shape, device=labels.device)
    uniform: dict[int, Tensor] = {}
    for window in windows(tuple(padded.shape), size):
        seen = padded[window]
        first = int(seen.flatten()[0])
        if bool((seen == first).all()):
            if first not in uniform:
                uniform[first] = synthesize(seen[None])[0]
            made = uniform[first]
        else:
            made = synthesize(seen[None])[0]
        total[:, *window] += weight * made
        weights[window] += weight
    total /= weights
    return total[:, *(slice(length) for length in shape)]


def _hat(size: Size, device: torch.device) -> Tensor:
    """Weights of a window, the product over axes of the distance from its edge."""
    found = torch.ones(size, device=device)
    for axis, length in enumerate(size):
        place = torch.arange(length, device=device)
        distance = torch.minimum(place + 1, length - place).float() / length
        found = found * distance.view([-1 if number == axis else 1 for number in range(len(size))])
    return found


def intensity_range(samples: Sequence[Sample]) -> tuple[Float32, Float32]:
    """What -1 and 1 of a synthesized volume stand for: medians over volumes of two percentiles, (C,) each."""
    count = min(len(samples), RANGED)
    chosen = (samples[number * len(samples) // count].image for number in range(count))
    ends = [np.percentile(image.reshape(len(image), -1), PERCENTILES, axis=1) for image in chosen]
    low, high = np.median(ends, axis=0).astype(np.float32)
    return low, np.where(high > low, high, low + 1).astype(np.float32)


def scaled(image: Float32, low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]) -> Float32:
    """Intensities (C, *spatial) to [-1, 1], what lies beyond the range clipped."""
    low, high = (end.reshape(-1, *(1,) * (image.ndim - 1)) for end in (low, high))
    found: Float32 = np.clip(2 * (image - low) / (high - low) - 1, -1, 1)
    return found
