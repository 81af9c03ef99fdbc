"""Precision-recall and ROC curves of all methods in one figure, over all pixels of the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.ground_truth import anomalous_pixels, wrong_pixels
from ..evaluation.score_checks import pixel_scores
from ..interfaces import Labels, Sample, Scores, Task
from ..interfaces.errors import BenchError
from ..metrics import PooledHistogramState
from ..run.fitting import FittedJob, Fitting
from ..run.test_pass import TestPass
from .figure_files import file_stem, save_figure
from .method_labels import method_labels

LINE_STYLES = ("-", "--", ":", "-.")
"""Each style serves ten methods, since colours repeat after ten."""


def draw_curves(fitting: Fitting, jobs: Sequence[FittedJob], folder: Path) -> list[Path]:
    """Draw one figure for each task; scores the whole test split.

    In memory is one histogram of scores for each job, and no score map.

    Args:
        fitting: of a group whose segmenter and methods are ready.
        jobs: of that group, of tasks with a score for each pixel.
        folder: for the figures.

    Returns:
        The files that were written.

    Raises:
        BenchError: a method fails or its scores cannot be ranked.
    """
    if not jobs:
        return []
    group = fitting.group
    states = {id(job): PooledHistogramState() for job in jobs}
    for scored in TestPass(fitting, group.data.test, jobs):
        for answer in scored.answers:
            task = answer.fitted.method.task
            _update(states[id(answer.fitted)], task, scored.sample, scored.labels, answer.scores)
    names = method_labels(jobs)
    written = []
    for task in Task:
        of_task = {names[id(job)]: states[id(job)] for job in jobs if job.method.task is task}
        if of_task:
            written.append(draw_figure(of_task, task, folder / f"{file_stem(group)}_{task}_curves.png"))
    return written


def _update(state: PooledHistogramState, task: Task, sample: Sample, labels: Labels, scores: Scores) -> None:
    masks = anomalous_pixels(sample) if task is Task.ANOMALY else wrong_pixels(sample, labels)
    state.update(sample.key, pixel_scores(sample, scores), *masks)


def draw_figure(states: Mapping[str, PooledHistogramState], task: Task, file: Path) -> Path:
    """Draw the curves of one task into a file, and return it.

    Args:
        states: label of a method -> the ranking of its scores.
        task: decides what a positive pixel is called.
        file: to be written.

    Raises:
        BenchError: the test split has no positive pixel, or no other one.
    """
    from matplotlib import pyplot

    positive = "anomalous" if task is Task.ANOMALY else "wrong"
    rankings = {name: state.compute() for name, state in states.items()}
    for name, ranking in rankings.items():
        if not ranking.positives or not ranking.negatives:
            raise BenchError(
                f"{file.stem}: the test split has {ranking.positives} {positive} pixels and "
                f"{ranking.negatives} others under {name}: a curve needs both"
            )
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.8))
    share = 0.0
    for place, (name, state) in enumerate(states.items()):
        curve, ranking = state.curve(), rankings[name]
        share = ranking.positives / (ranking.positives + ranking.negatives)
        style: dict[str, Any] = {
            "linestyle": LINE_STYLES[place // 10 % len(LINE_STYLES)],
            "color": f"C{place % 10}",
        }
        ap, auroc = 100 * ranking.value.ap, 100 * ranking.value.auroc
        left.plot(curve.recall, curve.precision, label=f"{name}: {ap:.1f}", **style)
        rates = ([0, *curve.false_positive_rate], [0, *curve.recall])
        right.plot(*rates, label=f"{name}: {auroc:.1f}", **style)
    # The precision of chance, and the ROC curve of chance.
    left.axhline(share, color="grey", linewidth=0.8)
    right.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
    title = "precision and recall: AP in percent"
    left.set(xlabel=f"recall of {positive} pixels", ylabel="precision", title=title)
    right.set(xlabel="false-positive rate", ylabel="true-positive rate", title="ROC: AUROC in percent")
    # Anomalies are rare: precision may be low throughout.
    left.set(xlim=(0, 1), ylim=(0, None))
    right.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (left, right):
        axis.legend(fontsize=7)
    figure.suptitle(f"{file.stem.removesuffix('_curves')}, all test pixels together", fontsize=10)
    figure.tight_layout()
    save_figure(figure, file)
    return file
