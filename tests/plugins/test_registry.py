"""What plugins register, and what becomes of plugins with a fault."""

import click
import pluggy
from segalarm.benchmark.plugins import hookspecs
from segalarm.benchmark.plugins.hookspecs import hookimpl
from segalarm.benchmark.plugins.registry import BrokenPlugin, Registry, load_registry


class Adds:
    """A plugin that adds commands of these names, and then raises an error if there is one."""

    def __init__(self, *names, error=None):
        self.names, self.error = names, error

    @hookimpl
    def register_commands(self, cli):
        for name in self.names:
            cli.add_command(click.Command(name, help=repr(self.names)))
        if self.error is not None:
            raise self.error


def commands_of(**plugins):
    """The commands of these plugins in a group, and the registry."""
    manager = pluggy.PluginManager("segalarm")
    manager.add_hookspecs(hookspecs)
    for name, plugin in plugins.items():
        manager.register(plugin, name)
    registry, cli = Registry(manager), click.Group()
    registry.add_commands(cli)
    return cli.commands, registry


def test_the_first_command_of_a_name_stays_and_the_other_plugins_fault_is_listed():
    commands, registry = commands_of(ours=Adds("run"), theirs=Adds("run", "more"))
    assert sorted(commands) == ["more", "run"]
    assert commands["run"].help == "('run',)"
    assert registry.broken == [
        BrokenPlugin("theirs", "its command 'run' is left out: another command has that name")
    ]


def test_a_plugin_whose_hook_fails_adds_no_command_and_stops_no_other():
    commands, registry = commands_of(first=Adds("half", error=KeyError("gone")), second=Adds("more"))
    assert list(commands) == ["more"]
    assert registry.broken == [BrokenPlugin("first", "KeyError: 'gone'")]


def test_everything_built_in_comes_from_one_plugin_whatever_its_module(monkeypatch):
    monkeypatch.setenv("BENCH_PLUGINS", "")
    registry = load_registry.__wrapped__()
    assert {entry.plugin for entry in registry} == {"segalarm"}
    assert registry.broken == []
