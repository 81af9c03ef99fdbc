"""The labels of methods in figures."""

from __future__ import annotations

from collections.abc import Sequence

from ..run.plan import Cell


def method_labels(cells: Sequence[Cell]) -> dict[int, str]:
    """The label of each cell, by `id`: its method, with the options that tell it from others of its task."""
    labels = {}
    for cell in cells:
        same = [c for c in cells if (c.entry.name, c.identity.task) == (cell.entry.name, cell.identity.task)]
        own = cell.identity.method_config
        differing = [key for key in own if any(c.identity.method_config.get(key) != own[key] for c in same)]
        options = ", ".join(f"{key}={own[key]}" for key in differing)
        labels[id(cell)] = f"{cell.entry.name} ({options})" if options else cell.entry.name
    return labels
