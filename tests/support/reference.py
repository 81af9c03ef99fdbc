"""The recorded outputs of the reference networks, and the rule that gave these networks their weights.

The rule is described in the README of the reference folder.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

SHARED = Path(os.environ.get("BENCH_SHARED") or Path(__file__).resolve().parents[3] / "shared")
FOLDER = Path(os.environ.get("BENCH_REFERENCE") or SHARED / "reference")
VECTORS = FOLDER / "network_vectors.npz"
SHAPES = FOLDER / "state_dict_shapes.json"
PIPELINE = FOLDER / "pipeline_vectors.npz"

needs_reference = pytest.mark.skipif(
    not (VECTORS.is_file() and SHAPES.is_file()),
    reason=f"no reference vectors in {FOLDER}; set BENCH_SHARED to the folder above `reference`",
)

needs_pipeline_vectors = pytest.mark.skipif(
    not PIPELINE.is_file(),
    reason=f"no pipeline vectors in {FOLDER}; set BENCH_SHARED to the folder above `reference`",
)


def pipeline_vectors(stage: str) -> dict[str, torch.Tensor]:
    """The recorded inputs and outputs of a stage of the published training and evaluation, by name.

    Args:
        stage: what the names in the file start with, such as "perceptual" for "perceptual_x".
    """
    with np.load(PIPELINE) as stored:
        names = [name for name in stored.files if name.startswith(f"{stage}_")]
        return {name.removeprefix(f"{stage}_"): torch.from_numpy(stored[name]) for name in names}


def vectors(network: str) -> dict[str, torch.Tensor]:
    """The recorded inputs and outputs of a network."""
    with np.load(VECTORS) as stored:
        names = [name for name in stored.files if name.startswith(f"{network}/")]
        return {name.partition("/")[2]: torch.from_numpy(stored[name]) for name in names}


@cache
def _shapes() -> dict[str, dict[str, list[int]]]:
    loaded: dict[str, dict[str, list[int]]] = json.loads(SHAPES.read_text())
    return loaded


def shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Every key of a network's `state_dict` with its shape."""
    return {key: tuple(shape) for key, shape in _shapes()[network].items()}


def fill(network: nn.Module) -> None:
    """Set every parameter and buffer of a network by the rule of the reference, and go to eval mode."""
    network.load_state_dict(by_rule(network.state_dict()))
    network.eval()


def filled(shape_of: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """A `state_dict` of these keys and shapes, with values by the rule of the reference."""
    integers = {"num_batches_tracked": torch.int64}
    return by_rule(
        {
            key: torch.empty(shape, dtype=integers.get(key.rpartition(".")[2], torch.float32), device="meta")
            for key, shape in shape_of.items()
        }
    )


def by_rule(like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Values by the rule of the reference, for tensors of the keys, shapes and types of `like`."""
    state = {key: _drawn(index, key, like[key]) for index, key in enumerate(sorted(like))}
    for key in list(state):
        if key.endswith("weight_orig"):
            matrix = state[key].flatten(1).double()
            left, _, right = torch.linalg.svd(matrix, full_matrices=False)
            stem = key.removesuffix("orig")
            state[f"{stem}u"], state[f"{stem}v"] = left[:, 0].float(), right[0].float()
    return state


def _drawn(index: int, key: str, like: torch.Tensor) -> torch.Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    x = np.sin(12.9898 * np.arange(1, like.numel() + 1) + 78.233 * (index + 1)) * 43758.5453
    u = x - np.floor(x)
    last = key.rpartition(".")[2]
    if last == "running_var" or (last == "weight" and like.dim() == 1):
        value = 0.5 + u
    elif like.dim() == 1:
        value = 0.2 * (u - 0.5)
    else:
        value = (u - 0.5) * np.sqrt(12 / np.prod(like.shape[1:])) * 1.2
    return torch.from_numpy(value.astype(np.float32)).reshape(like.shape)
