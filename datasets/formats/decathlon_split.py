"""The split of the Decathlon's labelled cases into training and test cases.

The Decathlon has test images too, but their labels are not published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .file_pairs import natural_key

PUBLISHED_SPLIT = (200, 81)
"""Training and test cases of the pancreas (SynthCP, Section 4.1). Other tasks are split in proportion."""
SPLIT_SEED = 0


def training_cases(cases: int) -> int:
    """The number of training cases among so many labelled cases."""
    training, test = PUBLISHED_SPLIT
    return round(cases * training / (training + test))


def cases_of(cases: Iterable[str], split: str) -> list[str]:
    """The cases of the split `train` or `test`, in natural order.

    The cases are ranked by a hash of seed and name, so that the split is the same on every machine and the
    names alone record it.
    """
    ranked = sorted(cases, key=lambda case: hashlib.sha256(f"{SPLIT_SEED}:{case}".encode()).digest())
    count = training_cases(len(ranked))
    return sorted(ranked[:count] if split == "train" else ranked[count:], key=natural_key)
