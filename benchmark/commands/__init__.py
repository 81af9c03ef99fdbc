"""The commands of `bench`, a module for each, and the options that they share.

The modules import heavy packages (torch, pandas) inside functions, so that `bench --help` stays fast.
"""

import click

from ..plugins.hookspecs import hookimpl
from .check_plugin import check
from .doctor import doctor
from .export_and_score import export, score
from .fetch_data import data
from .import_checkpoint import import_checkpoint
from .list_names import list_names
from .print_tables import table
from .run_methods import run
from .show_samples import show


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add the built-in commands."""
    for command in (check, data, doctor, export, import_checkpoint, list_names, run, score, show, table):
        cli.add_command(command)
