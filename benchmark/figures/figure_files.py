"""The files of figures: their names, and how they are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..planning.jobs import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def file_stem(group: Group) -> str:
    """The beginning of the names of a group's files: data set, segmenter, and seed unless the seed is 0."""
    info, variant = group.data.dataset.info, group.data.variant
    words = [f"{info.name}-{variant}" if variant else info.name, group.segmenter.name]
    return "_".join([*words, f"s{group.seed}"] if group.seed else words)


def slug(key: str) -> str:
    """A sample's key as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", key)


def save_figure(figure: Figure, file: Path) -> None:
    """Write a figure, and let go of its memory."""
    from matplotlib import pyplot

    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
    pyplot.close(figure)
