"""The checks of a registered plugin, by kind."""

from __future__ import annotations

from ..plugins.registry import load_registry
from .dataset_checks import dataset_checks
from .method_checks import method_checks
from .requirement import Check, NonconformingError
from .segmenter_checks import segmenter_checks

__all__ = ["Check", "NonconformingError", "checks"]


def checks(kind: str, name: str) -> list[Check]:
    """The checks of a method, data set or segmenter.

    Args:
        kind: "methods", "datasets" or "segmenters".
        name: the name that the plugin registered.

    Raises:
        BenchError: the name is unknown, registered twice, or its target cannot be imported.
    """
    entry = load_registry().get(kind, name)
    make = {"methods": method_checks, "datasets": dataset_checks, "segmenters": segmenter_checks}[kind]
    return list(make(entry))
