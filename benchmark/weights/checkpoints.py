"""Reads and writes checkpoints; a foreign checkpoint is read without running code that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..interfaces.errors import BenchError

WRAPPERS = ("state_dict", "model_state_dict", "model", "network")
"""Keys under which frameworks keep the weights inside a checkpoint."""
SHOWN = 5
"""The most names of weights that a message lists."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the weights of a `.safetensors` file or of a file that torch saved.

    A file of torch may be mmengine's checkpoint, a bare state dict, or a mapping with a state dict under one
    of the keys `WRAPPERS`.

    Raises:
        BenchError: The file is absent, damaged or no checkpoint, or is a pickle that would run code.
    """
    if not path.is_file():
        raise BenchError(f"checkpoint {path} does not exist")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(_harmless()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise BenchError(f"checkpoint {path} is damaged or is no safetensors file: {error}") from error
    except Exception as error:  # torch raises many kinds for a damaged file
        raise BenchError(_refusal(path, str(error))) from error
    weights = _unwrap(content)
    if not weights:
        raise BenchError(
            f"checkpoint {path} holds no weights: expected a state dict, alone or under one of the keys "
            f"{', '.join(WRAPPERS)}"
        )
    return weights


def save_weights(module: nn.Module, file: Path, **more: Tensor) -> None:
    """Write a module's weights, and the additional tensors `more`, as a safetensors file."""
    save_tensors({**module.state_dict(), **more}, file)


def save_tensors(state: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors as a safetensors file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Cloned because safetensors refuses tensors that share memory.
    save_file({key: value.detach().cpu().contiguous().clone() for key, value in state.items()}, file)


def load_strict(module: nn.Module, state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Load weights that must fit the module exactly.

    Args:
        module: The network.
        state: The weights.
        origin: Where the weights come from, for messages.

    Raises:
        BenchError: Weights are missing, unknown or of another shape. The message lists the first few.
    """
    check_fit(module.state_dict(), state, origin)
    module.load_state_dict(dict(state))


def load_fitting(network: nn.Module, state: Mapping[str, Tensor], origin: Path | str, option: str) -> None:
    """Load the weights that have the name and shape of one of the network's own; skip the others.

    Args:
        network: A network whose encoder is the module `backbone`.
        state: The weights.
        origin: Where the weights come from, for messages.
        option: The option that names the weights, for messages.

    Raises:
        BenchError: Fewer than half of the backbone's weights fit.
    """
    own = network.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    encoder = [key for key in own if key.startswith("backbone.")]
    if sum(key in fitting for key in encoder) < len(encoder) / 2:
        raise BenchError(f"{option}: fewer than half of the backbone's weights are in {origin}")
    network.load_state_dict(fitting, strict=False)


def check_fit(own: Mapping[str, Tensor], state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Check that weights have exactly the keys and shapes of a network's own weights.

    Args:
        own: The network's own weights.
        state: The weights to check.
        origin: Where the checked weights come from, for messages.

    Raises:
        BenchError: Weights are missing, unknown or of another shape. The message lists the first few.
    """
    problems = []
    missing = [key for key in own if key not in state]
    unknown = [key for key in state if key not in own]
    misshapen = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing:
        problems.append(f"the file lacks {_listed(missing)}")
    if unknown:
        problems.append(f"the file has unknown {_listed(unknown)}")
    if misshapen:
        problems.append(_shape_problem(own, state, misshapen))
    if problems:
        raise BenchError(f"weights {origin} do not fit the network: {'; '.join(problems)}")


def _shape_problem(own: Mapping[str, Tensor], state: Mapping[str, Tensor], keys: list[str]) -> str:
    """Describe weights of other shapes; where all differ in the same leading length, as other classes."""
    pairs = [(tuple(state[key].shape), tuple(own[key].shape)) for key in keys]
    leading = {(got[0], wanted[0]) for got, wanted in pairs if got and wanted and got[1:] == wanted[1:]}
    if len(leading) == 1 and all(got[1:] == wanted[1:] for got, wanted in pairs):
        got, wanted = leading.pop()
        return f"number of classes differs: got {got}, wanted {wanted} ({_listed(keys)})"
    shapes = [f"{key}: got {got}, wanted {wanted}" for key, (got, wanted) in zip(keys, pairs, strict=True)]
    return f"other shapes: {_listed(shapes)}"


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def _unwrap(content: Any) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint's innermost state dict, without the prefix of parallel training."""
    if not isinstance(content, Mapping):
        return {}
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return _unwrap(content[key])
    weights = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    return {key.removeprefix("module."): value for key, value in weights.items()}


def _refusal(path: Path, reason: str) -> str:
    """Say why torch did not load the file, given torch's own message."""
    if "Weights only load failed" in reason and ("Unsupported global" in reason or "GLOBAL" in reason):
        function = reason.partition("GLOBAL ")[2].split(" ")[0]
        called = f" (it calls {function})" if function else ""
        return (
            f"checkpoint {path} is a pickle that would run code{called}; it was not loaded. "
            "If you trust the file, load it yourself and save its state dict as safetensors"
        )
    first_line = reason.strip().splitlines()[0][:200] if reason.strip() else "it is empty"
    return f"checkpoint {path} is damaged or is no checkpoint: {first_line}"


def _statistic(owner: Any, name: str) -> Any:
    """Stand in for the `getattr` by which mmengine's HistoryBuffer names its statistics; refuse the rest."""
    from mmengine.logging.history_buffer import HistoryBuffer

    if owner is HistoryBuffer and name in ("min", "max", "mean", "current"):
        return getattr(owner, name)
    raise ValueError(f"the pickle asks for the attribute {name} of {owner}")


def _harmless() -> list[Any]:
    """List the harmless types that mmengine's checkpoints hold besides tensors: scalars logged with numpy."""
    from mmengine.logging.history_buffer import HistoryBuffer

    allowed: list[Any] = [
        HistoryBuffer,
        (_statistic, "builtins.getattr"),
        (_statistic, "__builtin__.getattr"),
        np.ndarray,
        np.dtype,
    ]
    allowed += [type(np.dtype(code)) for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u8", "?")]
    for name in ("_reconstruct", "scalar"):
        function = getattr(multiarray, name)
        # numpy 2 renamed the module; checkpoints written with either version exist.
        allowed += [(function, f"numpy.core.multiarray.{name}"), (function, f"numpy._core.multiarray.{name}")]
    return allowed
