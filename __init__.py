"""segalarm: an alarm system for segmentation. The public API; imports no torch."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .benchmark.interfaces import (
    VOID,
    Archive,
    Config,
    Context,
    Dataset,
    DatasetInfo,
    Features,
    FitOn,
    Item,
    Memo,
    Method,
    MonteCarlo,
    Needs,
    Option,
    Pair,
    Pairs,
    Prediction,
    Preset,
    Protocol,
    Sample,
    Scores,
    Segmenter,
    Source,
    Task,
    Truth,
    View,
)
from .benchmark.interfaces.errors import BenchError
from .benchmark.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from .benchmark.storage.record import load_records

try:
    __version__ = version("segalarm")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name == "load_records":  # pandas takes most of a second to import
        from .benchmark.storage.record import load_records

        return load_records
    raise AttributeError(f"module 'segalarm' has no attribute {name!r}")


__all__ = [
    "VOID",
    "Archive",
    "BenchError",
    "Config",
    "Context",
    "Dataset",
    "DatasetInfo",
    "Features",
    "FitOn",
    "Item",
    "Memo",
    "Method",
    "MonteCarlo",
    "Needs",
    "Option",
    "Pair",
    "Pairs",
    "Prediction",
    "Preset",
    "Protocol",
    "Sample",
    "Scores",
    "Segmenter",
    "Source",
    "Task",
    "Truth",
    "View",
    "hookimpl",
    "load_records",
]
