"""The hooks that a plugin may implement, with `segalarm.hookimpl`. All of them are optional.

Four hooks add names to the benchmark. Each of the four is called once with a function
`register(name, target, ...)`. The target is text, "module:Class", and is imported when the name is
first used. The fifth hook adds commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from .registry import Register

hookspec = pluggy.HookspecMarker("segalarm")
hookimpl = pluggy.HookimplMarker("segalarm")


@hookspec
def register_methods(register: Register) -> None:
    """Add methods: `register(name, target, summary=, tasks=, trains=, ndims=)`; the target is a `Method`."""


@hookspec
def register_datasets(register: Register) -> None:
    """Add data sets: `register(name, target, summary=, tasks=)`; the target is a `Dataset`."""


@hookspec
def register_segmenters(register: Register) -> None:
    """Add segmenters: `register(name, target, summary=, ndims=)`; the target is a `Segmenter`."""


@hookspec
def register_tables(register: Register) -> None:
    """Add tables: `register(name, target, summary=)`; the target is a `TableSpec`."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add commands to `bench`: `cli.add_command(command)`. `cli` holds no command when the hook is called."""
