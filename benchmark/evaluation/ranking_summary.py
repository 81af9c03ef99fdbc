"""The part of an evaluation that the pixel-level tasks share: how well scores rank positive pixels first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..interfaces.errors import BenchError
from ..metrics import RankingState, bootstrap_interval
from .evaluator import Evaluation, named_values
from .metric_catalogue import Metric


class NothingScored(NamedTuple):
    """What to tell the user where no image holds both positive and negative pixels.

    Attributes:
        problem: what is wrong.
        remedy: what the user can do.
    """

    problem: str
    remedy: str


def new_ranking(metrics: Sequence[Metric]) -> RankingState:
    """Make a state that computes, for each image, every ranking metric that a task's catalogue asks for."""
    success = any(metric.field == "ap_success" and "per-image" in metric.aggregations for metric in metrics)
    return RankingState(success)


def summarize_ranking(
    state: RankingState, metrics: Sequence[Metric], nothing_scored: NothingScored
) -> Evaluation:
    """Evaluate a ranking state: means over images with bootstrap intervals, and pooled values with bounds.

    Args:
        state: all images of the test split.
        metrics: of the task; those whose field is one of `RankingValues` are evaluated.
        nothing_scored: the error of a test split without an image that counts.

    Raises:
        BenchError: no image holds both positive and negative pixels.
    """
    means, pooled = state.compute()
    if means.images == 0:
        keys = state.per_image().keys()
        span = f", from '{keys[0]}' to '{keys[-1]}'" if keys else ""
        pixels = f"{pooled.positives} positive and {pooled.negatives} negative pixels in all"
        raise BenchError(f"{nothing_scored.problem}{span} ({pixels}): {nothing_scored.remedy}")
    per_image = {
        key: named_values(metrics, "per-image", values._asdict())
        for key, values in state.per_image().values().items()
    }
    mean_values = named_values(metrics, "per-image", means.value._asdict())
    return Evaluation(
        metrics={
            "per-image": mean_values,
            "pooled": named_values(metrics, "pooled", pooled.value._asdict()),
        },
        error_bounds=named_values(metrics, "pooled", pooled.bound._asdict()),
        intervals={
            "per-image": {
                name: bootstrap_interval([values[name] for values in per_image.values()])
                for name in mean_values
            }
        },
        per_image=per_image,
        counts={
            "images": means.images,
            "images_skipped": means.skipped,
            "positive_pixels": pooled.positives,
            "negative_pixels": pooled.negatives,
        },
    )
