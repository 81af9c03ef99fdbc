"""MSP after a dense CRF, a row of the paper's Table 3 (Hendrycks et al., arXiv:1911.11132)."""

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
from .dense_crf import refined
from .mean_field import NARROWEST, blurred


class MSPCRFConfig(Config):
    """Hyper-parameters, see `refined`.

    Attributes:
        by: the package as published, on processor cores, or `blurred` on the device of the run.
    """

    iterations: int = Field(100, ge=1)
    spatial: float = Field(10.0, gt=0)
    channel: float = Field(13.0, gt=0)
    compatibility: float = Field(10.0, ge=0)
    by: Literal["pydensecrf", "torch"] = "pydensecrf"

    @model_validator(mode="after")
    def _is_blur(self) -> MSPCRFConfig:
        if self.by == "torch" and self.channel < NARROWEST:
            raise ValueError(
                f"by=torch leaves channel out, which makes no difference from {NARROWEST:g} on; for "
                f"{self.channel:g} use by=pydensecrf"
            )
        return self


class MSPCRF(Method):
    """Score a pixel by 1 - q, q the maximum probability after the CRF."""

    Config = MSPCRFConfig
    config: MSPCRFConfig

    def __init__(self, config: MSPCRFConfig, task: Task) -> None:
        super().__init__(config, task)
        self._pool: ProcessPoolExecutor | None = None

    @classmethod
    def defaults(cls, preset: Preset, protocol: Protocol, dataset: DatasetInfo) -> dict[str, Any]:
        """As published, but for tests."""
        return {"iterations": 5} if preset is Preset.SMOKE else {}

    def needs(self) -> Needs:
        """The softmax."""
        return Needs(probabilities=True)

    def skip(self, dataset: DatasetInfo) -> str | None:
        """The CRF is of images, and an extra that is built from source."""
        if dataset.ndim != 2:
            return "msp-crf is published for images: its CRF (DenseCRF2D) and its kernel are of two axes"
        if self.config.by == "pydensecrf" and importlib.util.find_spec("pydensecrf") is None:
            return (
                "msp-crf needs pydensecrf2, which is not installed: pip install 'segalarm[crf]' (it is built "
                "from source and needs a C++ compiler), or --set msp-crf.by=torch"
            )
        return None

    def score(self, batch: Sequence[Item], context: Context) -> list[Scores]:
        """Refine the images of a batch: at once, a process each, or one after another on the device.

        Raises:
            BenchError: a process was killed.
        """
        key = ("msp-crf", str(self.config))
        if self.config.by == "torch":
            return [Scores(pixel=doubt(item.memo.get(key, partial(self._blurred, item)))) for item in batch]
        if self._pool is None:
            # Fresh processes: one that is forked from a program with torch's threads may hang.
            start = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(os.cpu_count(), mp_context=start)
        try:
            # All at once; both tasks read one map.
            begun = [item.memo.get((*key, "begun"), partial(self._begin, item, self._pool)) for item in batch]
            found = [item.memo.get(key, one.result) for item, one in zip(batch, begun, strict=True)]
            return [Scores(pixel=doubt(probabilities)) for probabilities in found]
        except BrokenProcessPool as error:
            raise BenchError(
                "msp-crf: a process of the CRF was killed, probably for want of memory: use smaller images"
            ) from error

    def _begin(self, item: Item, pool: ProcessPoolExecutor) -> Future[Float32]:
        assert item.prediction.probabilities is not None
        options = self.config.model_dump(exclude={"by"})
        return pool.submit(refined, item.prediction.probabilities.cpu().numpy(), **options)

    def _blurred(self, item: Item) -> Float32:
        assert item.prediction.probabilities is not None
        config = self.config
        found = blurred(
            item.prediction.probabilities, config.iterations, config.spatial, config.compatibility
        )
        values: Float32 = found.cpu().numpy()
        return values


def doubt(probabilities: Float32) -> Float32:
    """1 - the maximum over classes, as the sum of the others: after the CRF most maxima round to 1.

    float32 (L, H, W) to (H, W).
    """
    found: Float32 = np.sort(probabilities, axis=0)[:-1].sum(axis=0)
    return found
