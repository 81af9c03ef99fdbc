"""The command `bench check`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from ..interfaces.errors import UnknownNameError
from ..plugins.registry import load_registry
from .options.shared_options import examples

CHECKED = ("methods", "datasets", "segmenters")
"""The kinds of names that have an interface to conform to."""


@click.command(epilog=examples("bench check msp", "bench check my-plugins-data-set"))
@click.argument("name")
def check(name: str) -> None:
    """Check that a plugin does what its interface says.

    NAME is a method, data set or segmenter.
    """
    from ..conformance.plugin_checks import NonconformingError, checks

    registry = load_registry()
    kinds = [kind for kind in CHECKED if name in registry.names(kind)]
    if not kinds:
        known = {registered for kind in CHECKED for registered in registry.names(kind)}
        raise UnknownNameError("method, data set or segmenter", name, known)
    conforms = True
    for kind in kinds:
        for requirement in checks(kind, name):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    requirement(Path(folder))
                    click.echo(f"ok   {requirement}")
                except NonconformingError as error:
                    conforms = False
                    click.echo(f"BAD  {requirement}: {error}")
    if not conforms:
        sys.exit(1)
