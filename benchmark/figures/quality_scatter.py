"""Scatters of predicted against actual quality over the test split, for image-level failures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..evaluation.by_task import make_evaluator
from ..evaluation.evaluator import Evaluation
from ..evaluation.image_failure import actual_key, predicted_key
from ..interfaces import Protocol, Task
from ..interfaces.errors import BenchError
from ..run.fitting import FittedJob, Fitting
from ..run.test_pass import TestPass
from .figure_files import file_stem, save_figure


def draw_scatters(
    fitting: Fitting, jobs: Sequence[FittedJob], protocol: Protocol, folder: Path
) -> list[Path]:
    """Draw one figure for each job; scores the whole test split.

    Args:
        fitting: of a group whose segmenter and methods are ready.
        jobs: of that group, of the task image-failure.
        protocol: of the evaluation.
        folder: for the figures.

    Returns:
        The files that were written.

    Raises:
        BenchError: a method fails, or no class has an actual quality.
    """
    if not jobs:
        return []
    group = fitting.group
    info = group.data.dataset.info
    evaluators = {id(job): make_evaluator(Task.IMAGE_FAILURE, info, protocol) for job in jobs}
    for scored in TestPass(fitting, group.data.test, jobs):
        for answer in scored.answers:
            evaluators[id(answer.fitted)].update(scored.sample, scored.labels, answer.scores)
    written = []
    for job in jobs:
        evaluator, run = evaluators[id(job)], job.job.identity
        parts = [file_stem(group), Task.IMAGE_FAILURE, run.method, run.key[:8]]
        file = folder / f"{'_'.join(parts)}.png"
        draw_scatter(evaluator.result(), file)
        written.append(file)
    return written


def draw_scatter(evaluation: Evaluation, file: Path) -> None:
    """Draw a panel for each class that was scored, with its correlation (Fig. 5 and 6 of the paper).

    Raises:
        BenchError: no class has an actual quality in any image.
    """
    from matplotlib import pyplot

    points = {cls: quality_pairs(evaluation, cls) for cls in evaluation.per_class["Pearson"]}
    drawn = {cls: pairs for cls, pairs in points.items() if pairs}
    if not drawn:
        raise BenchError(f"{file.stem}: no class has an actual quality in any test image")
    columns = min(5, len(drawn))
    rows = -(-len(drawn) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(2.2 * columns, 2.4 * rows), squeeze=False)
    for axis in axes.flat[len(drawn) :]:
        axis.axis("off")
    for axis, (cls, pairs) in zip(axes.flat, drawn.items(), strict=False):
        actual, predicted = zip(*pairs, strict=True)
        axis.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
        axis.scatter(actual, predicted, s=8, alpha=0.6)
        r = evaluation.per_class["Pearson"][cls]
        axis.set_title(f"{cls}\n" + ("no correlation" if np.isnan(r) else f"r = {r:.2f}"), fontsize=9)
        axis.tick_params(labelsize=7)
    figure.supxlabel("actual", fontsize=9)
    figure.supylabel("predicted", fontsize=9)
    figure.tight_layout(pad=0.4)
    save_figure(figure, file)


def quality_pairs(evaluation: Evaluation, cls: str) -> list[tuple[float, float]]:
    """(actual, predicted) quality of a class in every image in which its actual quality is defined."""
    images = evaluation.per_image.values()
    pairs = [(values[actual_key(cls)], values[predicted_key(cls)]) for values in images]
    return [pair for pair in pairs if not np.isnan(pair[0])]
