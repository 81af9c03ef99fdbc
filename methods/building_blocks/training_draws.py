"""The length of a training, and which of its images are mirrored."""

from __future__ import annotations

import numpy as np


def number_of_steps(steps: int | None, epochs: float, images: int, batch_size: int) -> int:
    """The number of optimizer steps: `steps` if given, otherwise `epochs` passes over the images."""
    return steps or max(1, round(epochs * images / batch_size))


def is_mirrored(position: int, seed: int, stream: int) -> bool:
    """Whether the image at a position of a training's order is mirrored, with a probability of one half.

    Args:
        position: position in the order, from 0, counted over all epochs.
        seed: the seed of the training.
        stream: a number that keeps the draws of different trainings with one seed apart.
    """
    return bool(np.random.default_rng((seed, stream, position)).random() < 0.5)
