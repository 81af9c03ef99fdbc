"""The classes that a plugin implements (`Method`, `Dataset`, `Segmenter`), and the values they exchange.

In shapes, `C` is the number of channels, `L` the number of classes, and `*spatial` is (H, W) for images or
(D, H, W) for volumes. Importing this package does not import torch.
"""

from .context import Context, MakeArtifact, Memo
from .data import VOID, Archive, Dataset, DatasetInfo, Float32, Labels, Mask, Sample, Truth, View
from .method import FitOn, Item, Method, Option, Pair, Pairs, Scores, Source
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
]
