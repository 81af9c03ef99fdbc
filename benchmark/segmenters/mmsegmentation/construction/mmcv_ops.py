"""Makes `import mmseg` work without mmcv's compiled operators, which mmcv-lite lacks."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from ....interfaces.errors import BenchError

OPERATORS = "mmcv._ext"
"""The module of the compiled operators, which mmsegmentation imports at once."""
NOISE = (
    r"``build_loss`` would be deprecated",
    r"When align_corners=True, the output would more aligned",
    r"DeprecationWarning: pretrained is deprecated",
)
"""Beginnings of warnings that mmsegmentation gives at every use of its own models."""


class CompiledOpError(BenchError):
    """A network called an operator that mmcv-lite does not have."""

    def __init__(self, operator: str) -> None:
        super().__init__(
            f"needs a compiled mmcv op ('{operator}'): install full mmcv or choose another config"
        )


class _Operators(types.ModuleType):
    """A stand-in for the compiled operators: it has every operator, and each raises when called."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise CompiledOpError(name)

        return missing


def make_mmseg_importable() -> None:
    """Make `import mmseg` work, and quiet; to be called before the import, any number of times."""
    if OPERATORS not in sys.modules and importlib.util.find_spec(OPERATORS) is None:
        module = _Operators(OPERATORS, "Stand-in for mmcv's compiled operators.")
        # importlib.util.find_spec reads the spec, and raises for a module without one.
        module.__spec__ = importlib.machinery.ModuleSpec(OPERATORS, loader=None)
        sys.modules[OPERATORS] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mmseg.models  # noqa: F401 - registers the models
        from mmengine.logging import MMLogger

        # mmengine logs how every single parameter was initialised.
        MMLogger.get_current_instance().setLevel(logging.ERROR)
    for beginning in NOISE:
        warnings.filterwarnings("ignore", message=beginning)
