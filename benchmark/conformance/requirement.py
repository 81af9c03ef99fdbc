"""A check: one requirement that a plugin must meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..interfaces import Config

PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
"""Endings of files whose reading can run code."""


class NonconformingError(AssertionError):
    """A plugin does not do what its interface says."""


@dataclass(frozen=True)
class Check:
    """One requirement. Call the check with an empty folder, which it may write to.

    Attributes:
        name: the requirement in a few words; `str(check)` gives it, too.
        run: raises an error where the plugin falls short.

    Raises (when called):
        NonconformingError: the plugin falls short; the message says in what.
    """

    name: str
    run: Callable[[Path], None]

    def __call__(self, folder: Path) -> None:
        """Check the plugin."""
        try:
            self.run(folder)
        except NonconformingError:
            raise
        except Exception as error:
            raise NonconformingError(f"it raises {type(error).__name__}: {error}") from error

    def __str__(self) -> str:
        return self.name


def require(condition: Any, message: str) -> None:
    """Raise a `NonconformingError` with the message unless the condition holds."""
    if not condition:
        raise NonconformingError(message)


def require_subclass(plugin: Any, base: type[Any], target: str) -> None:
    """A registered target is a class of the right kind."""
    conforms = isinstance(plugin, type) and issubclass(plugin, base)
    require(conforms, f"{target} is not a subclass of {base.__name__}")


def require_strict_config(plugin: type[Any], name: str) -> None:
    """The plugin's `Config` refuses a key that it does not know."""
    require(issubclass(plugin.Config, Config), f"{name}: Config is not a subclass of segalarm.Config")
    require(plugin.Config.model_config.get("extra") == "forbid", f"{name}: Config takes unknown keys")


def require_no_pickles(folder: Path) -> None:
    """Nothing that `save` wrote below a folder can run code when it is read."""
    files = [file for file in folder.rglob("*") if file.suffix in PICKLES]
    require(not files, f"save() writes {[file.name for file in files]}: use safetensors")
