"""Pictures of single samples: input, label, prediction, what a method made, ground truth and scores.

Of a volume, the slice with the most predicted structure. For image-level failures, a scatter of predicted
against actual quality over the test split.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.selection import Slice
from ..evaluation.by_task import make_evaluator
from ..evaluation.evaluator import Evaluation, Evaluator
from ..interfaces import VOID, DatasetInfo, Float32, Labels, Sample, Scores, Task, Truth
from ..interfaces.errors import BenchError, ExtraMissingError
from ..plugins.registry import Registry
from ..run.artifacts import Stages, Track
from ..run.plan import Cell, Group
from ..run.request import Request
from ..run.runner import pick_device
from ..run.test_pass import all_groups, ready, scored
from ..storage.store import Store
from .curve_figure import draw_curves, labels_of, picture_of

Bytes = npt.NDArray[np.uint8]

DEFAULT = 3
"""Samples that are shown where none is named."""
GREY = 128
SCORE_COLOURS = "cividis"
"""Reads alike for all kinds of colour vision, and in print."""


def show(
    request: Request,
    registry: Registry,
    keys: Sequence[str],
    folder: Path,
    track: Track,
    say: Callable[[str], None],
    curves: bool = False,
) -> list[Path]:
    """Write a picture a sample, data set and task below `folder`; makes the stages that are not there yet.

    A method of image-level failures gets one picture, of the whole test split, and volumes theirs too.

    Args:
        keys: of samples of the test split; none for the first few (of anomalies: the largest).
        curves: also a figure a pixel-level task, see `draw_curves`; a second pass, over the whole split.

    Raises:
        BenchError: a key is unknown, a method fails, or matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ExtraMissingError("bench show", "report", "matplotlib") from error
    mpl.use("Agg")
    store, device = Store(request.workspace, say), pick_device(request.device)
    written = []
    # Records are not read: what is shown is computed anew.
    for group in all_groups(request, registry, say):
        stages = ready(request, group, store, device, track)
        info = group.data.dataset.info
        pixel = [cell for cell in group.waiting if cell.identity.task is not Task.IMAGE_FAILURE]
        image = [cell for cell in group.waiting if cell.identity.task is Task.IMAGE_FAILURE]
        written += _scatters(stages, image, request, folder)
        if curves:
            written += draw_curves(stages, pixel, folder)
        drawn = pixel if info.ndim == 2 else [*pixel, *image]
        if not drawn:
            continue
        names = labels_of(drawn)
        for sample, labels, answers in scored(stages, chosen(group, keys), drawn):
            for task in Task:
                of_task: dict[str, Scores] = {}
                for cell, answer in answers:
                    if isinstance(answer, Exception):
                        raise answer
                    if cell.identity.task is task:
                        of_task[names[id(cell)]] = answer
                if of_task:
                    file = folder / f"{picture_of(group)}_{task}_{slug(sample.key)}.png"
                    draw(list(panels(*flat(sample, labels, of_task, info), task, info)), file)
                    written.append(file)
    return written


def _scatters(stages: Stages, cells: Sequence[Cell], request: Request, folder: Path) -> list[Path]:
    """A scatter a cell, of all test samples."""
    if not cells:
        return []
    group = stages.group
    info = group.data.dataset.info
    judges: list[tuple[Cell, Evaluator]] = [
        (cell, make_evaluator(Task.IMAGE_FAILURE, info, request.protocol)) for cell in cells
    ]
    for sample, labels, answers in scored(stages, group.data.test, cells):
        for (_, judge), (_, answer) in zip(judges, answers, strict=True):
            if isinstance(answer, Exception):
                raise answer
            judge.update(sample, labels, answer)
    written = []
    for cell, judge in judges:
        parts = [picture_of(group), Task.IMAGE_FAILURE, cell.entry.name, cell.identity.key[:8]]
        file = folder / f"{'_'.join(parts)}.png"
        scatter(judge.result(), file)
        written.append(file)
    return written


def scatter(found: Evaluation, file: Path) -> None:
    """Predicted against actual quality, a panel a class that was scored, with its correlation (Fig. 5, 6)."""
    from matplotlib import pyplot

    points = {cls: pairs_of(found, cls) for cls in found.per_class["Pearson"]}
    shown = {cls: pairs for cls, pairs in points.items() if pairs}
    if not shown:
        raise BenchError(f"{file.stem}: no class has an actual quality in any test image")
    columns = min(5, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(2.2 * columns, 2.4 * rows), squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    for axis, (cls, pairs) in zip(axes.flat, shown.items(), strict=False):
        actual, predicted = zip(*pairs, strict=True)
        axis.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
        axis.scatter(actual, predicted, s=8, alpha=0.6)
        r = found.per_class["Pearson"][cls]
        axis.set_title(f"{cls}\n" + ("no correlation" if np.isnan(r) else f"r = {r:.2f}"), fontsize=9)
        axis.tick_params(labelsize=7)
    figure.supxlabel("actual", fontsize=9)
    figure.supylabel("predicted", fontsize=9)
    figure.tight_layout(pad=0.4)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
    pyplot.close(figure)


def pairs_of(found: Evaluation, cls: str) -> list[tuple[float, float]]:
    """(actual, predicted) quality of a class in every image where it counts."""
    images = found.per_image.values()
    pairs = [(values[f"actual {cls}"], values[f"predicted {cls}"]) for values in images]
    return [pair for pair in pairs if not np.isnan(pair[0])]


def chosen(group: Group, keys: Sequence[str]) -> Sequence[Sample]:
    """The test samples of the keys, or a few.

    Raises:
        BenchError: the test split has no such sample.
    """
    samples = group.data.test
    if keys:
        rows = {samples[row].key: row for row in range(len(samples))}
        unknown = [key for key in keys if key not in rows]
        if unknown:
            some = ", ".join(list(rows)[:3])
            raise BenchError(
                f"{group.data.dataset.info.name} has no test sample '{unknown[0]}'; keys are such as {some}"
            )
        return Slice(samples, [rows[key] for key in keys])

    # Only anomalies are worth reading every label for.
    if all(cell.identity.task is not Task.ANOMALY for cell in group.cells):
        return Slice(samples, range(min(DEFAULT, len(samples))))

    def size(row: int) -> int:
        anomaly = samples[row].truth.anomaly
        return 0 if anomaly is None else int(anomaly.sum())

    return Slice(samples, sorted(sorted(range(len(samples)), key=size, reverse=True)[:DEFAULT]))


def flat(
    sample: Sample, labels: Labels, scores: Mapping[str, Scores], info: DatasetInfo
) -> tuple[Sample, Labels, Mapping[str, Scores]]:
    """The slice of a volume that is shown, with all that belongs to it; a photograph as it is."""
    if info.ndim == 2:
        return sample, labels, scores
    at, depth = busiest(labels, info), len(labels)
    truth = sample.truth
    anomaly = None if truth.anomaly is None else truth.anomaly[at]
    cut = Truth(truth.label[at], anomaly, truth.valid[at])
    image = as_grey(sample.image)[:, at]
    cuts = {
        name: replace(
            each,
            pixel=None if each.pixel is None else each.pixel[at],
            # Pictures may be smaller than the volume.
            shown={
                title: picture[:, at * picture.shape[1] // depth] for title, picture in each.shown.items()
            },
        )
        for name, each in scores.items()
    }
    return Sample(f"{sample.key}, slice {at}", lambda: image, lambda: cut), labels[at], cuts


def busiest(labels: Labels, info: DatasetInfo) -> int:
    """The slice with the most predicted structure: of those scored, else of any; the middle where none is."""
    scored = [number for number, cls in enumerate(info.classes) if cls in info.scored]
    for wanted in (np.isin(labels, scored), labels > 0):
        sizes = wanted.sum(axis=(1, 2))
        if sizes.any():
            return int(sizes.argmax())
    return len(labels) // 2


def as_grey(image: Float32) -> Float32:
    """The first channel of a volume as RGB in [0, 1]; what leaves that range is stretched to it."""
    grey = image[:1]
    if grey.min() < 0 or grey.max() > 1:
        low, high = np.percentile(grey, (1, 99))
        grey = np.clip((grey - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    return np.repeat(grey, 3, axis=0)


def panels(
    sample: Sample, labels: Labels, scores: Mapping[str, Scores], task: Task, info: DatasetInfo
) -> Iterator[tuple[str, Any, str | None]]:
    """(title, picture, colour map) from left to right; a score map is float32 (H, W)."""
    truth = sample.truth
    title = "input" if info.ndim == 2 else sample.key
    yield title, (sample.image.transpose(1, 2, 0) * 255).astype(np.uint8), None
    yield "label", coloured(truth.label, info), None
    yield "prediction", coloured(labels, info), None
    pictures = {name: picture for each in scores.values() for name, picture in each.shown.items()}
    for name, picture in pictures.items():
        yield name, picture.transpose(1, 2, 0), None
    if task is Task.ANOMALY:
        assert truth.anomaly is not None
        yield "anomaly", marked(truth.anomaly, truth.valid), None
    else:
        yield "errors", marked(labels != truth.label, truth.valid & (truth.label != VOID)), None
    for name, each in scores.items():
        if each.pixel is not None:
            yield name, each.pixel, SCORE_COLOURS


def coloured(labels: Labels, info: DatasetInfo) -> Bytes:
    """A label map in the data set's palette; void is black."""
    table: Bytes = np.zeros((VOID + 1, 3), np.uint8)
    table[: len(info.palette)] = np.array(info.palette, np.uint8).reshape(-1, 3)
    return table[labels]


def marked(positive: npt.NDArray[np.bool_], valid: npt.NDArray[np.bool_]) -> Bytes:
    """White where positive, black where not, grey where nothing is scored."""
    grey = np.where(valid, np.where(positive, 255, 0), GREY).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def draw(found: Sequence[tuple[str, Any, str | None]], file: Path) -> None:
    """Write the panels side by side."""
    from matplotlib import pyplot

    height, width = found[0][1].shape[:2]
    figure, axes = pyplot.subplots(1, len(found), figsize=(3 * len(found), 3 * height / width + 0.4))
    for axis, (title, picture, colours) in zip(axes, found, strict=True):
        axis.imshow(picture, cmap=colours, interpolation="nearest", extent=(0, width, height, 0))
        axis.set_title(title)
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
    pyplot.close(figure)


def slug(key: str) -> str:
    """A sample's key as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", key)
