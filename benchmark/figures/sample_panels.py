"""Panels of a single sample side by side: image, label, prediction, ground truth and score maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..interfaces import VOID, DatasetInfo, Labels, Mask, Sample, Scores, Task
from .figure_files import save_figure

Bytes = npt.NDArray[np.uint8]

UNSCORED_GREY = 128
SCORE_COLOURS = "cividis"
"""This colour map reads alike for all kinds of colour vision, and in print."""


class Panel(NamedTuple):
    """One picture of a row.

    Attributes:
        title: stands above the picture.
        picture: uint8 (H, W, 3) RGB, or a score map, float32 (H, W).
        colours: matplotlib's colour map for a score map.
    """

    title: str
    picture: Any
    colours: str | None = None


def panels(
    sample: Sample, labels: Labels, scores: Mapping[str, Scores], task: Task, info: DatasetInfo
) -> Iterator[Panel]:
    """The panels of a sample from left to right.

    Args:
        sample: a photograph or a slice of a volume, RGB in [0, 1].
        labels: int64 (H, W), the predicted classes.
        scores: label of a method -> its scores.
        task: decides which ground truth is shown.
        info: of the data set.
    """
    truth = sample.truth
    title = "input" if info.ndim == 2 else sample.key
    yield Panel(title, (sample.image.transpose(1, 2, 0) * 255).astype(np.uint8))
    yield Panel("label", coloured(truth.label, info))
    yield Panel("prediction", coloured(labels, info))
    pictures = {name: picture for method in scores.values() for name, picture in method.shown.items()}
    for name, picture in pictures.items():
        yield Panel(name, picture.transpose(1, 2, 0))
    if task is Task.ANOMALY:
        assert truth.anomaly is not None
        yield Panel("anomaly", marked(truth.anomaly, truth.valid))
    else:
        yield Panel("errors", marked(labels != truth.label, truth.valid & (truth.label != VOID)))
    for name, method in scores.items():
        if method.pixel is not None:
            yield Panel(name, method.pixel, SCORE_COLOURS)


def coloured(labels: Labels, info: DatasetInfo) -> Bytes:
    """A label map in the data set's palette; void is black."""
    table: Bytes = np.zeros((VOID + 1, 3), np.uint8)
    table[: len(info.palette)] = np.array(info.palette, np.uint8).reshape(-1, 3)
    return table[labels]


def marked(positive: Mask, valid: Mask) -> Bytes:
    """White where positive, black where not, grey where nothing is scored."""
    grey = np.where(valid, np.where(positive, 255, 0), UNSCORED_GREY).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def draw_panels(row: Sequence[Panel], file: Path) -> None:
    """Write panels side by side into a file."""
    from matplotlib import pyplot

    height, width = row[0].picture.shape[:2]
    figure, axes = pyplot.subplots(1, len(row), figsize=(3 * len(row), 3 * height / width + 0.4))
    for axis, panel in zip(axes, row, strict=True):
        extent = (0, width, height, 0)
        axis.imshow(panel.picture, cmap=panel.colours, interpolation="nearest", extent=extent)
        axis.set_title(panel.title)
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    save_figure(figure, file)
