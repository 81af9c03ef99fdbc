"""The hooks that a plugin implements. Each is called once with a `register` function.

`register(name, target, summary=..., ...)`, where `target` is "module:Class", imported when used.
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
    """Add methods: `register(name, target, summary=, tasks=, trains=, ndims=)`."""


@hookspec
def register_datasets(register: Register) -> None:
    """Add data sets: `register(name, target, summary=, tasks=)`."""


@hookspec
def register_segmenters(register: Register) -> None:
    """Add segmenters: `register(name, target, summary=, ndims=)`."""


@hookspec
def register_tables(register: Register) -> None:
    """Add tables: `register(name, target, summary=)`; the target is a `TableSpec`."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add commands to `bench`."""
