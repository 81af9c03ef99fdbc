"""What a plugin implements (`Method`, `Dataset`, `Segmenter`) and the values that pass between them.

Shapes: `C` channels, `L` classes, `*spatial` is (H, W) or (D, H, W). Imports no torch.
"""

from .context import Context, MakeArtifact, Memo
from .data import VOID, Archive, Dataset, DatasetInfo, Float32, Labels, Mask, Sample, Truth, View
from .method import FitOn, Item, Method, Pair, Pairs, Scores
from .segmenter import Features, MonteCarlo, Needs, Prediction, Segmenter
from .settings import AnyConfig, Config, Preset, Protocol, Task

__all__ = [
    "VOID",
    "AnyConfig",
    "Archive",
    "Config",
    "Context",
    "Dataset",
    "DatasetInfo",
    "Features",
    "FitOn",
    "Float32",
    "Item",
    "Labels",
    "MakeArtifact",
    "Mask",
    "Memo",
    "Method",
    "MonteCarlo",
    "Needs",
    "Pair",
    "Pairs",
    "Prediction",
    "Preset",
    "Protocol",
    "Sample",
    "Scores",
    "Segmenter",
    "Task",
    "Truth",
    "View",
]
