"""Precision-recall and ROC curves of all methods in one figure, over all pixels of the test split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evaluation.ground_truth import anomalous_pixels, wrong_pixels
from ..evaluation.score_checks import pixel_scores
from ..interfaces import Labels, Sample, Scores, Task
from ..interfaces.errors import BenchError
from ..metrics import PooledHistogramState
from ..run.artifacts import Stages
from ..run.plan import Cell, Group
from ..run.test_pass import scored

STYLES = ("-", "--", ":", "-.")
"""One a method for every ten: colours repeat after ten."""


def draw_curves(stages: Stages, cells: Sequence[Cell], folder: Path) -> list[Path]:
    """Write a figure a task; scores the whole test split. A histogram a cell, and no score, is held.

    Args:
        cells: of tasks with a score a pixel.

    Raises:
        BenchError: a method fails or its scores cannot be ranked.
    """
    if not cells:
        return []
    group = stages.group
    states = {id(cell): PooledHistogramState() for cell in cells}
    for sample, labels, answers in scored(stages, group.data.test, cells):
        for cell, answer in answers:
            if isinstance(answer, Exception):
                raise answer
            _update(states[id(cell)], cell.identity.task, sample, labels, answer)
    names = labels_of(cells)
    written = []
    for task in Task:
        shown = {names[id(c)]: states[id(c)] for c in cells if c.identity.task is task}
        if shown:
            written.append(_figure(shown, task, folder / f"{picture_of(group)}_{task}_curves.png"))
    return written


def picture_of(group: Group) -> str:
    """The beginning of the names of its pictures: data set, segmenter and seed, unless that is 0."""
    info, variant = group.data.dataset.info, group.data.variant
    words = [f"{info.name}-{variant}" if variant else info.name, group.network.name]
    return "_".join([*words, f"s{group.seed}"] if group.seed else words)


def labels_of(cells: Sequence[Cell]) -> dict[int, str]:
    """What to call each cell, by id: its method, and what sets it apart from others of its task."""
    names = {}
    for cell in cells:
        same = [c for c in cells if (c.entry.name, c.identity.task) == (cell.entry.name, cell.identity.task)]
        own = cell.identity.method_config
        apart = [key for key in own if any(c.identity.method_config.get(key) != own[key] for c in same)]
        options = ", ".join(f"{key}={own[key]}" for key in apart)
        names[id(cell)] = f"{cell.entry.name} ({options})" if options else cell.entry.name
    return names


def _update(state: PooledHistogramState, task: Task, sample: Sample, labels: Labels, scores: Scores) -> None:
    masks = anomalous_pixels(sample) if task is Task.ANOMALY else wrong_pixels(sample, labels)
    state.update(sample.key, pixel_scores(sample, scores), *masks)


def _figure(shown: dict[str, PooledHistogramState], task: Task, file: Path) -> Path:
    from matplotlib import pyplot

    what = "anomalous" if task is Task.ANOMALY else "wrong"
    rankings = {name: state.compute() for name, state in shown.items()}
    for name, total in rankings.items():
        if not total.positives or not total.negatives:
            raise BenchError(
                f"{file.stem}: the test split has {total.positives} {what} pixels and {total.negatives} "
                f"others under {name}: a curve needs both"
            )
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.8))
    share = 0.0
    for place, (name, state) in enumerate(shown.items()):
        found, ranking = state.curve(), rankings[name]
        share = ranking.positives / (ranking.positives + ranking.negatives)
        style: dict[str, Any] = {"linestyle": STYLES[place // 10 % len(STYLES)], "color": f"C{place % 10}"}
        average, area = 100 * ranking.value.ap, 100 * ranking.value.auroc
        left.plot(found.recall, found.precision, label=f"{name}: {average:.1f}", **style)
        rates = ([0, *found.false_positive_rate], [0, *found.recall])
        right.plot(*rates, label=f"{name}: {area:.1f}", **style)
    left.axhline(share, color="grey", linewidth=0.8)
    left.set(
        xlabel=f"recall of {what} pixels", ylabel="precision", title="precision and recall: AP in percent"
    )
    right.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
    right.set(xlabel="false-positive rate", ylabel="true-positive rate", title="ROC: AUROC in percent")
    # Anomalies are rare: precision may be low throughout.
    left.set(xlim=(0, 1), ylim=(0, None))
    right.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (left, right):
        axis.legend(fontsize=7)
    figure.suptitle(f"{file.stem.removesuffix('_curves')}, all test pixels together", fontsize=10)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
    pyplot.close(figure)
    return file
