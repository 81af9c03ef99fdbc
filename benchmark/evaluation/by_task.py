"""The evaluator of each task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..interfaces import DatasetInfo, Protocol, Task
from .anomaly import AnomalyEvaluator
from .evaluator import Evaluator
from .image_failure import ImageFailureEvaluator
from .pixel_failure import PixelFailureEvaluator

EVALUATORS: Mapping[Task, type[Evaluator]] = {
    Task.ANOMALY: AnomalyEvaluator,
    Task.PIXEL_FAILURE: PixelFailureEvaluator,
    Task.IMAGE_FAILURE: ImageFailureEvaluator,
}
"""Evaluators do not use one another's code: so an edit of one leaves the records of other tasks valid."""


def make_evaluator(
    task: Task, info: DatasetInfo, protocol: Protocol, scratch: Path | None = None
) -> Evaluator:
    """Create the evaluator of a task; arguments as for `Evaluator`."""
    return EVALUATORS[task](info, protocol, scratch)
