"""MSP after a dense CRF (Hendrycks et al., arXiv:1911.11132), a row of SynthCP's Table 3."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ...benchmark.interfaces import (
    Config,
    Context,
    DatasetInfo,
    Float32,
    Item,
    Method,
    Needs,
    Preset,
    Protocol,
    Scores,
    Task,
)
from ...benchmark.interfaces.errors import BenchError
from .blur_crf import NARROWEST, refined_by_blur
from .dense_crf import refined


class MSPCRFConfig(Config):
    """Hyper-parameters.

    Attributes:
        iterations: number of mean-field iterations.
        spatial: standard deviation of the kernel in pixels.
        channel: standard deviation of the kernel in probability.
        compatibility: weight of the kernel.
        by: "pydensecrf" for the package, as published, on processor cores; "torch" for `refined_by_blur`, on
            the device of the run.
    """

    iterations: int = Field(100, ge=1)
    spatial: float = Field(10.0, gt=0)
    channel: float = Field(13.0, gt=0)
    compatibility: float = Field(10.0, ge=0)
    by: Literal["pydensecrf", "torch"] = "pydensecrf"

    @model_validator(mode="after")
    def _kernel_is_a_blur(self) -> MSPCRFConfig:
        if self.by == "torch" and self.channel < NARROWEST:
            raise ValueError(
                f"by=torch ignores channel, which is right only for channel >= {NARROWEST:g}: for "
                f"channel={self.channel:g} use by=pydensecrf"
            )
        return self


class MSPCRF(Method):
    """The score of a pixel is 1 - q, where q is the maximum probability after the CRF."""

    Config = MSPCRFConfig
    config: MSPCRFConfig

    def __init__(self, config: MSPCRFConfig, task: Task) -> None:
        super().__init__(config, task)
        self._pool: ProcessPoolExecutor | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """Fewer iterations at `smoke`; otherwise the published number."""
        return {"iterations": 5} if preset is Preset.SMOKE else {}

    def needs(self) -> Needs:
        """The softmax."""
        return Needs(probabilities=True)

    def skip(self, dataset: DatasetInfo) -> str | None:
        """Skip volumes, for which the CRF is not made, and machines without pydensecrf2."""
        if dataset.ndim != 2:
            return "msp-crf is published for images: its CRF (DenseCRF2D) and its kernel have two axes"
        if self.config.by == "pydensecrf" and importlib.util.find_spec("pydensecrf") is None:
            return (
                "msp-crf needs pydensecrf2, which is not installed: pip install 'segalarm[crf]' (it is built "
                "from source and needs a C++ compiler), or --set msp-crf.by=torch"
            )
        return None

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Refine the softmax of the images: in parallel processes, or one after another on the device.

        Raises:
            BenchError: a process was killed.
        """
        return [Scores(pixel=one_minus_maximum(probabilities)) for probabilities in self._refined(batch)]

    def _refined(self, batch: Sequence[Item]) -> list[Float32]:
        # The memo lets both tasks of pixels read the same maps.
        key = ("msp-crf", str(self.config))
        if self.config.by == "torch":
            return [item.memo.get(key, partial(self._refine_by_blur, item)) for item in batch]
        if self._pool is None:
            # Fresh processes: a process that is forked from a program with torch's threads may hang.
            start = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(os.cpu_count(), mp_context=start)
        try:
            # All images are begun before the first result is waited for.
            futures = [
                item.memo.get((*key, "begun"), partial(self._begin, item, self._pool)) for item in batch
            ]
            return [item.memo.get(key, future.result) for item, future in zip(batch, futures, strict=True)]
        except BrokenProcessPool as error:
            raise BenchError(
                "msp-crf: a process of the CRF was killed, probably for lack of memory. Use smaller images, "
                "or --set msp-crf.by=torch"
            ) from error

    def _begin(self, item: Item, pool: ProcessPoolExecutor) -> Future[Float32]:
        assert item.prediction.probabilities is not None
        options = self.config.model_dump(exclude={"by"})
        return pool.submit(refined, item.prediction.probabilities.cpu().numpy(), **options)

    def _refine_by_blur(self, item: Item) -> Float32:
        assert item.prediction.probabilities is not None
        config = self.config
        marginals = refined_by_blur(
            item.prediction.probabilities, config.iterations, config.spatial, config.compatibility
        )
        values: Float32 = marginals.cpu().numpy()
        return values


def one_minus_maximum(probabilities: Float32) -> Float32:
    """1 - q, where q is the maximum over classes, float32 (L, H, W) to (H, W).

    It is computed as the sum of the other probabilities, since q rounds to 1 at most pixels after the CRF.
    """
    rest: Float32 = np.sort(probabilities, axis=0)[:-1].sum(axis=0)
    return rest
