"""The command `bench check`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..interfaces.errors import BenchError, UnknownNameError
from ..plugins.registry import load_registry
from .options.shared_options import examples

if TYPE_CHECKING:
    from ..conformance.requirement import Check

CHECKED = ("methods", "datasets", "segmenters", "tables")
"""The kinds of names that have checks."""


@click.command(epilog=examples("bench check msp", "bench check my-plugins-data-set"))
@click.argument("name")
def check(name: str) -> None:
    """Check that a plugin does what its interface says.

    NAME is a method, data set, segmenter or table.
    """
    from ...results.registered_tables import load_table
    from ..conformance.plugin_checks import checks

    registry = load_registry()
    kinds = [kind for kind in CHECKED if name in registry.names(kind)]
    if not kinds:
        known = {registered for kind in CHECKED for registered in registry.names(kind)}
        raise UnknownNameError("method, data set, segmenter or table", name, known, "`bench list` shows all.")
    conforms = True
    for kind in kinds:
        try:
            # Without its class a plugin cannot be checked at all: one message instead of one for each check.
            if kind == "tables":
                load_table(registry, name)
            else:
                registry.get(kind, name).load()
        except BenchError as error:
            conforms = False
            click.echo(f"BAD  can be loaded: {error}")
            continue
        if kind == "tables":
            click.echo("ok   names metrics and data sets that exist")
        else:
            conforms = _pass(checks(kind, name)) and conforms
    if not conforms:
        sys.exit(1)


def _pass(requirements: Iterable[Check]) -> bool:
    """Print a line for each requirement. Returns whether all are met."""
    from ..conformance.requirement import NonconformingError

    conforms = True
    for requirement in requirements:
        with tempfile.TemporaryDirectory() as folder:
            try:
                requirement(Path(folder))
                click.echo(f"ok   {requirement}")
            except NonconformingError as error:
                conforms = False
                click.echo(f"BAD  {requirement}: {error}")
    return conforms
