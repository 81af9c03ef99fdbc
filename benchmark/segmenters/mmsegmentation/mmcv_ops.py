"""Stands in for mmcv's compiled operators, which mmcv-lite lacks and mmsegmentation imports at start."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from ...interfaces.errors import BenchError

NAME = "mmcv._ext"


class CompiledOpError(BenchError):
    """A network called an operator that mmcv-lite does not have."""

    def __init__(self, operator: str) -> None:
        super().__init__(
            f"needs a compiled mmcv op ('{operator}'): install full mmcv or choose another config"
        )


class _Operators(types.ModuleType):
    """Has every operator that is asked for; each raises when called."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise CompiledOpError(name)

        return missing


NOISE = (
    r"``build_loss`` would be deprecated",
    r"When align_corners=True, the output would more aligned",
    r"DeprecationWarning: pretrained is deprecated",
)
"""Beginnings of warnings that mmsegmentation gives on every use of its own models."""


def install() -> None:
    """Make `import mmseg` work and quiet. Call it before; calling it again does no harm."""
    if NAME not in sys.modules and importlib.util.find_spec(NAME) is None:
        module = _Operators(NAME, "Stand-in for mmcv's compiled operators.")
        # importlib.util.find_spec reads it; without one it raises.
        module.__spec__ = importlib.machinery.ModuleSpec(NAME, loader=None)
        sys.modules[NAME] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mmseg.models  # noqa: F401 - registers the models
        from mmengine.logging import MMLogger

        # mmengine lists how every single parameter was initialised.
        MMLogger.get_current_instance().setLevel(logging.ERROR)
    for beginning in NOISE:
        warnings.filterwarnings("ignore", message=beginning)
