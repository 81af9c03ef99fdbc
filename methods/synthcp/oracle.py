"""An oracle, for experiments alone: SynthCP that is trained with images of the true segmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...benchmark.interfaces import Context, Pairs, Truth
from .method import SynthCP
from .synthesis import Synthesizer


class FromTruth(SynthCP):
    """What a synthesis could tell at best: x̂ = G(y), where SynthCP has G(ŷ).

    It is registered nowhere: a method sees no labels when it scores. Who scores with it puts x̂ into the
    item's memo.
    """

    def fit_key(self) -> dict[str, Any]:
        """Another network than SynthCP's."""
        return {**super().fit_key(), "images": "truth"}

    def synthesized(
        self, pairs: Pairs, key: str, synthesizer: Synthesizer, context: Context
    ) -> npt.NDArray[np.uint8]:
        """G(y) of every pair, uint8 (N, 3, h, w)."""
        numbers = context.track(range(len(pairs)), "synthesize from the truth", len(pairs))
        made = [of_truth(pairs[number].sample.truth, synthesizer) for number in numbers]
        return np.stack([image.cpu().numpy() for image in made])


def of_truth(truth: Truth, synthesizer: Synthesizer) -> Tensor:
    """G(y), uint8 (3, h, w)."""
    return synthesizer(torch.from_numpy(truth.scored)[None])[0]
