"""Loads plugins and keeps the registry of names. Imports no plugin's torch: targets are lazy.

A plugin is a module or object with `segalarm.hookimpl` functions, declared by its distribution as an entry
point in the group `segalarm`. The built-ins register through the same hooks.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Any

import pluggy

from ..interfaces import Task
from ..interfaces.errors import BenchError, UnknownNameError
from . import hookspecs

if TYPE_CHECKING:
    import click

BUILT_IN = (
    "segalarm.methods",
    "segalarm.datasets",
    "segalarm.benchmark.segmenters",
    "segalarm.results.tables",
)
KINDS = ("methods", "datasets", "segmenters", "tables")


@dataclass(frozen=True)
class Entry:
    """A registered name. `target` is "module:Class"; `plugin` and `version` say who supplied it."""

    kind: str
    name: str
    target: str
    plugin: str
    version: str
    summary: str = ""
    tasks: tuple[Task, ...] = ()
    trains: bool = False
    ndims: tuple[int, ...] = (2,)

    def load(self) -> Any:
        """Import the target.

        Raises:
            BenchError: it cannot be imported; names the plugin.
        """
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except BenchError:
            raise
        except Exception as error:
            raise BenchError(
                f"{self.kind[:-1]} '{self.name}' of plugin '{self.plugin}' cannot be imported from "
                f"{self.target}: {type(error).__name__}: {error}"
            ) from error


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that failed to import or to register."""

    name: str
    error: str


@dataclass
class Registry:
    """What all plugins registered.

    Attributes:
        entries: kind -> name -> entries; more than one entry a name is a collision.
    """

    manager: pluggy.PluginManager
    entries: dict[str, dict[str, list[Entry]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    broken: list[BrokenPlugin] = field(default_factory=list)

    def get(self, kind: str, name: str) -> Entry:
        """The entry of a name.

        Raises:
            BenchError: two plugins registered it; names both.
            UnknownNameError: none did.
        """
        found = self.entries[kind].get(name)
        if not found:
            broken = "".join(f" Broken plugin '{b.name}': {b.error}." for b in self.broken)
            raise UnknownNameError(kind[:-1], name, self.entries[kind], broken.strip())
        if len(found) > 1:
            raise BenchError(collision(found))
        return found[0]

    def names(self, kind: str) -> list[str]:
        """All names of a kind, in order of registration."""
        return list(self.entries[kind])

    def add_commands(self, cli: click.Group) -> None:
        """Let every plugin add its commands to `cli`; one that fails is listed in `broken`."""
        for name, plugin in self.manager.list_name_plugin():
            try:
                _call(self.manager, plugin, "register_commands", cli=cli)
            except Exception as error:  # whatever a plugin raises must not stop the others
                self.broken.append(BrokenPlugin(name, f"{type(error).__name__}: {error}"))

    def __iter__(self) -> Iterator[Entry]:
        for names in self.entries.values():
            for found in names.values():
                yield from found


def collision(found: list[Entry]) -> str:
    """The message for a name that several plugins registered."""
    plugins = " and ".join(sorted(f"'{entry.plugin}'" for entry in found))
    return (
        f"{found[0].kind[:-1]} '{found[0].name}' is registered by plugins {plugins}: "
        "uninstall one, or name the plugins to load in BENCH_PLUGINS"
    )


class Register:
    """The function that a hook is given to add names of one kind, for one plugin."""

    def __init__(self, registry: Registry, kind: str, plugin: str, plugin_version: str) -> None:
        self._registry = registry
        self._kind = kind
        self._plugin = plugin
        self._version = plugin_version

    def __call__(self, name: str, target: str, **facts: Any) -> None:
        """Add a name. `facts` are the other fields of `Entry`."""
        if ":" not in target:
            raise BenchError(f"target '{target}' of '{name}' is not of the form module:Class")
        entry = Entry(self._kind, name, target, self._plugin, self._version, **facts)
        self._registry.entries[self._kind].setdefault(name, []).append(entry)


@cache
def load_registry() -> Registry:
    """Load the built-ins, then every installed plugin that `BENCH_PLUGINS` (comma-separated names) admits.

    Unset, all load; empty, none. A plugin that fails is listed in `broken`, and the rest works.
    """
    manager = pluggy.PluginManager("segalarm")
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    for module in BUILT_IN:
        _add(registry, module, version("segalarm"), lambda module=module: importlib.import_module(module))  # type: ignore[misc]
    admitted = os.environ.get("BENCH_PLUGINS")
    wanted = None if admitted is None else {name.strip() for name in admitted.split(",")}
    for point in entry_points(group="segalarm"):
        if wanted is None or point.name in wanted:
            _add(registry, point.name, point.dist.version if point.dist else "unknown", point.load)
    return registry


def _add(registry: Registry, name: str, plugin_version: str, load: Callable[[], object]) -> None:
    """Load one plugin and let it register all its names, or none."""
    before = {
        kind: {n: list(found) for n, found in names.items()} for kind, names in registry.entries.items()
    }
    try:
        plugin = load()
        registry.manager.register(plugin, name)
        for kind in KINDS:
            register = Register(registry, kind, name, plugin_version)
            _call(registry.manager, plugin, f"register_{kind}", register=register)
    except Exception as error:  # whatever a plugin raises must not stop the others
        registry.entries = before
        if registry.manager.has_plugin(name):
            registry.manager.unregister(name=name)
        registry.broken.append(BrokenPlugin(name, f"{type(error).__name__}: {error}"))


def _call(manager: pluggy.PluginManager, plugin: object, hook: str, **arguments: object) -> None:
    """Call one plugin's hook alone, so that its name is known and its failure stops no other."""
    others = [other for other in manager.get_plugins() if other is not plugin]
    manager.subset_hook_caller(hook, others)(**arguments)
