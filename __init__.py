"""segalarm: an alarm system for segmentation. The public API; imports no torch."""

from importlib import import_module
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
    from .results.table_spec import Section, TableSpec

try:
    __version__ = version("segalarm")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"


_LAZY = {
    "Section": ".results.table_spec",
    "TableSpec": ".results.table_spec",
    "load_records": ".benchmark.storage.record",
}
"""Public names whose modules are imported when a name is first used, so that `import segalarm` stays fast."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
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
    "Section",
    "Segmenter",
    "Source",
    "TableSpec",
    "Task",
    "Truth",
    "View",
    "hookimpl",
    "load_records",
]
