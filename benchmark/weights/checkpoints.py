"""Reads checkpoints made elsewhere, without running code from them."""

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


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights of a `.safetensors` or torch file: mmengine's, a bare state dict, or one under a usual key.

    Raises:
        BenchError: the file is absent, cut off, no checkpoint, or a pickle that would run code.
    """
    if not path.is_file():
        raise BenchError(f"checkpoint {path} does not exist")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(_harmless()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise BenchError(f"checkpoint {path} is damaged or no safetensors file: {error}") from error
    except Exception as error:  # torch raises many kinds for a damaged file
        raise BenchError(_refusal(path, str(error))) from error
    weights = _unwrap(content)
    if not weights:
        raise BenchError(
            f"{path} holds no weights: expected a state dict, or one under {', '.join(WRAPPERS)}"
        )
    return weights


def save_weights(module: nn.Module, file: Path, **more: Tensor) -> None:
    """Write a module's weights, and `more` tensors, as safetensors."""
    save_tensors({**module.state_dict(), **more}, file)


def save_tensors(state: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors as safetensors."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Clones: safetensors refuses tensors that share memory.
    save_file({key: value.detach().cpu().contiguous().clone() for key, value in state.items()}, file)


def load_strict(module: nn.Module, state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Load weights that fit the module exactly.

    Raises:
        BenchError: missing, unexpected or misshapen keys; names the first few, and `origin`.
    """
    check_fit(module.state_dict(), state, origin)
    module.load_state_dict(dict(state))


def check_fit(own: Mapping[str, Tensor], state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Weights have the very keys and shapes of a network's own.

    Raises:
        BenchError: missing, unexpected or misshapen keys; names the first few, and `origin`.
    """
    problems = []
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    shaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing:
        problems.append(f"lacks {_some(missing)}")
    if unexpected:
        problems.append(f"has unknown {_some(unexpected)}")
    if shaped:
        problems.append(_misshapen(own, state, shaped))
    if problems:
        raise BenchError(f"weights {origin} do not fit the network: {'; '.join(problems)}")


def _misshapen(own: Mapping[str, Tensor], state: Mapping[str, Tensor], keys: list[str]) -> str:
    pairs = [(tuple(state[key].shape), tuple(own[key].shape)) for key in keys]
    leading = {(got[0], wanted[0]) for got, wanted in pairs if got and wanted and got[1:] == wanted[1:]}
    if len(leading) == 1 and all(got[1:] == wanted[1:] for got, wanted in pairs):
        got, wanted = leading.pop()
        return f"number of classes differs: got {got}, wanted {wanted} ({_some(keys)})"
    shapes = [f"{key}: got {got}, wanted {wanted}" for key, (got, wanted) in zip(keys, pairs, strict=True)]
    return f"other shapes: {_some(shapes)}"


def _some(keys: list[str]) -> str:
    rest = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + rest


def _unwrap(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return _unwrap(content[key])
    weights = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    return {key.removeprefix("module."): value for key, value in weights.items()}


def _refusal(path: Path, reason: str) -> str:
    if "Weights only load failed" in reason and ("Unsupported global" in reason or "GLOBAL" in reason):
        named = reason.partition("GLOBAL ")[2].split(" ")[0]
        what = f" (it asks for {named})" if named else ""
        return (
            f"checkpoint {path} is a pickle that would run code{what}; it was not loaded. "
            "Where you trust it, save its state dict as safetensors"
        )
    first = reason.strip().splitlines()[0][:200] if reason.strip() else "it is empty"
    return f"checkpoint {path} is damaged or no checkpoint: {first}"


def _statistic(owner: Any, name: str) -> Any:
    """In place of the `getattr` by which a HistoryBuffer names its statistics; gives nothing else."""
    from mmengine.logging.history_buffer import HistoryBuffer

    if owner is HistoryBuffer and name in ("min", "max", "mean", "current"):
        return getattr(owner, name)
    raise ValueError(f"it asks for the attribute {name} of {owner}")


def _harmless() -> list[Any]:
    """What mmengine's checkpoints hold beside tensors: logged scalars in numpy arrays."""
    from mmengine.logging.history_buffer import HistoryBuffer

    allowed: list[Any] = [
        HistoryBuffer,
        (_statistic, "builtins.getattr"),
        (_statistic, "__builtin__.getattr"),
        np.ndarray,
        np.dtype,
    ]
    allowed += [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u8", "?")]
    for name in ("_reconstruct", "scalar"):
        function = getattr(multiarray, name)
        # numpy 2 renamed the module; files of either age are met.
        allowed += [(function, f"numpy.core.multiarray.{name}"), (function, f"numpy._core.multiarray.{name}")]
    return allowed
