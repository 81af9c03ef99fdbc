"""The command `bench list`."""

from __future__ import annotations

import json

import click

from ..plugins.registry import KINDS, collision, load_registry
from .options.shared_options import examples


@click.command("list", epilog=examples("bench list methods", "bench list --json"))
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_names(kind: str | None, as_json: bool) -> None:
    """List methods, data sets, segmenters and tables.

    Each name is shown with the plugin that registered it. Nothing is imported: `bench doctor` says whether
    every class can be.
    """
    from tabulate import tabulate

    registry = load_registry()
    rows = []
    for entry in registry:
        if kind is None or entry.kind == kind:
            same_name = registry.entries[entry.kind][entry.name]
            rows.append(
                {
                    "kind": entry.kind,
                    "name": entry.name,
                    "summary": entry.summary,
                    "tasks": ", ".join(entry.tasks),
                    "needs training": entry.trains if entry.kind == "methods" else "",
                    "plugin": entry.plugin,
                    "status": "registered" if len(same_name) == 1 else collision(same_name),
                }
            )
    broken = [{"plugin": plugin.name, "status": plugin.error} for plugin in registry.broken]
    if as_json:
        click.echo(json.dumps({"names": rows, "broken": broken}, indent=1))
        return
    click.echo(tabulate(rows, headers="keys"))
    for plugin in broken:
        click.echo(f"broken plugin {plugin['plugin']}: {plugin['status']}")
