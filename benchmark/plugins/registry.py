"""The registry: the methods, data sets, segmenters, tables and commands of all installed plugins.

A plugin is a module or object with `segalarm.hookimpl` functions. A distribution declares its plugin as an
entry point in the group `segalarm`. The built-in methods, data sets, segmenters, tables and commands come
from plugins of the same form, so they register through the same hooks.

Loading the registry imports the plugins, but no target: torch is not imported until a name is used.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Any

import pluggy

from ..interfaces import Task
from ..interfaces.errors import AbsentError, BenchError, UnknownNameError
from . import hookspecs

if TYPE_CHECKING:
    import click

BUILT_IN = (
    "segalarm.methods",
    "segalarm.datasets",
    "segalarm.benchmark.segmenters",
    "segalarm.results.tables",
    "segalarm.benchmark.commands",
)
"""The modules of the built-in plugins."""
BUILT_IN_PLUGIN = "segalarm"
"""The plugin name of everything that is built in, in whichever module it is: records hold this name."""
KINDS = ("methods", "datasets", "segmenters", "tables")
"""The kinds of names that plugins register. Each kind has its hook, `register_KIND`."""


@dataclass(frozen=True)
class Entry:
    """A registered name.

    Attributes:
        kind: one of `KINDS`.
        name: as it is given on the command line.
        target: "module:Class", imported by `load`.
        plugin: the plugin that registered the name; "segalarm" for what is built in.
        version: the version of that plugin's distribution.
        summary: one line for `bench list`.
        tasks: the tasks of a method, or those for which a data set has ground truth.
        trains: whether a method needs training for any of its tasks.
        ndims: 2 for photographs, 3 for volumes: the dimensions that a method or segmenter works in.
    """

    kind: str
    name: str
    target: str
    plugin: str
    version: str
    summary: str = ""
    tasks: tuple[Task, ...] = ()
    trains: bool = False
    ndims: tuple[int, ...] = (2,)

    @property
    def where(self) -> str:
        """The name with its plugin and target, for messages."""
        return f"{self.kind[:-1]} '{self.name}' of plugin '{self.plugin}' ({self.target})"

    def load(self) -> Any:
        """Import the target.

        Raises:
            AbsentError: an optional package of the target is not installed.
            BenchError: the target cannot be imported; names the plugin.
        """
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except AbsentError:
            raise
        except BenchError as error:
            raise BenchError(f"{self.where}: {error}") from error
        except Exception as error:
            raise BenchError(f"{self.where} cannot be imported: {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin with a fault: it failed to import or to register, or a command of it is left out.

    Attributes:
        name: of the entry point; of a built-in plugin, its module.
        error: what is wrong.
    """

    name: str
    error: str


@dataclass
class Registry:
    """All names that the loaded plugins registered.

    Attributes:
        manager: holds the plugins.
        entries: kind -> name -> the entries of that name. More than one entry is a collision.
        broken: the plugins with a fault.
    """

    manager: pluggy.PluginManager
    entries: dict[str, dict[str, list[Entry]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    broken: list[BrokenPlugin] = field(default_factory=list)

    def get(self, kind: str, name: str) -> Entry:
        """The entry of a name.

        Raises:
            BenchError: two plugins registered the name; names both plugins.
            UnknownNameError: no plugin registered the name.
        """
        entries = self.entries[kind].get(name)
        if not entries:
            broken = "".join(f" Broken plugin '{b.name}': {b.error}." for b in self.broken)
            raise UnknownNameError(kind[:-1], name, self.entries[kind], broken.strip())
        if len(entries) > 1:
            raise BenchError(collision(entries))
        return entries[0]

    def names(self, kind: str) -> list[str]:
        """All names of a kind, in the order of their registration."""
        return list(self.entries[kind])

    def add_commands(self, cli: click.Group) -> None:
        """Add every plugin's commands to `cli`, the built-in commands first.

        A plugin whose hook fails adds no command. A command whose name is taken is left out. Both faults are
        listed in `broken`.
        """
        import click

        for name, plugin in self.manager.list_name_plugin():
            own = click.Group()
            try:
                _call(self.manager, plugin, "register_commands", cli=own)
            except Exception as error:  # whatever a plugin raises must not stop the others
                self.broken.append(BrokenPlugin(name, f"{type(error).__name__}: {error}"))
                continue
            for command_name, command in own.commands.items():
                if command_name in cli.commands:
                    fault = f"its command '{command_name}' is left out: another command has that name"
                    self.broken.append(BrokenPlugin(name, fault))
                else:
                    cli.add_command(command, command_name)

    def __iter__(self) -> Iterator[Entry]:
        for names in self.entries.values():
            for entries in names.values():
                yield from entries


def collision(entries: list[Entry]) -> str:
    """The message for a name that several plugins registered."""
    plugins = " and ".join(sorted(f"'{entry.plugin}'" for entry in entries))
    return (
        f"{entries[0].kind[:-1]} '{entries[0].name}' is registered by plugins {plugins}: "
        "uninstall one, or name the plugins to load in BENCH_PLUGINS"
    )


class Register:
    """The function that a hook is called with: it adds names of one kind for one plugin."""

    def __init__(self, registry: Registry, kind: str, plugin: str, plugin_version: str) -> None:
        self._registry = registry
        self._kind = kind
        self._plugin = plugin
        self._version = plugin_version

    def __call__(self, name: str, target: str, **facts: Any) -> None:
        """Add a name.

        Args:
            name: as users give it on the command line.
            target: "module:Class".
            facts: `summary`, `tasks`, `trains` and `ndims`, see `Entry`.

        Raises:
            BenchError: the target is not of that form.
        """
        if ":" not in target:
            raise BenchError(f"target '{target}' of '{name}' is not of the form module:Class")
        entry = Entry(self._kind, name, target, self._plugin, self._version, **facts)
        self._registry.entries[self._kind].setdefault(name, []).append(entry)


@cache
def load_registry() -> Registry:
    """Load the built-in plugins, then every installed plugin that the variable `BENCH_PLUGINS` admits.

    `BENCH_PLUGINS` holds names of entry points, separated by commas. Where it is not set, all plugins are
    loaded; where it is empty, the built-in plugins alone. A plugin that fails is listed in `Registry.broken`,
    and the others work.
    """
    manager = pluggy.PluginManager("segalarm")
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    own = version("segalarm")
    for module in BUILT_IN:
        _add(registry, module, BUILT_IN_PLUGIN, own, partial(importlib.import_module, module))
    setting = os.environ.get("BENCH_PLUGINS")
    admitted = None if setting is None else {name.strip() for name in setting.split(",")}
    for point in entry_points(group="segalarm"):
        if admitted is None or point.name in admitted:
            plugin_version = point.dist.version if point.dist else "unknown"
            _add(registry, point.name, point.name, plugin_version, point.load)
    return registry


def _add(
    registry: Registry, name: str, plugin_name: str, plugin_version: str, load: Callable[[], object]
) -> None:
    """Load one plugin and let it register all its names, or none where a hook fails.

    Args:
        registry: takes the names.
        name: tells the plugin from all others; the name under which its fault is listed.
        plugin_name: `Entry.plugin` of its names.
        plugin_version: `Entry.version` of its names.
        load: imports the plugin.
    """
    before = {
        kind: {n: list(entries) for n, entries in names.items()} for kind, names in registry.entries.items()
    }
    try:
        plugin = load()
        registry.manager.register(plugin, name)
        for kind in KINDS:
            register = Register(registry, kind, plugin_name, plugin_version)
            _call(registry.manager, plugin, f"register_{kind}", register=register)
    except Exception as error:  # whatever a plugin raises must not stop the others
        registry.entries = before
        if registry.manager.has_plugin(name):
            registry.manager.unregister(name=name)
        registry.broken.append(BrokenPlugin(name, f"{type(error).__name__}: {error}"))


def _call(manager: pluggy.PluginManager, plugin: object, hook: str, **arguments: object) -> None:
    """Call a hook of one plugin alone, so that a failure is known to be that plugin's and stops no other."""
    others = [other for other in manager.get_plugins() if other is not plugin]
    manager.subset_hook_caller(hook, others)(**arguments)
