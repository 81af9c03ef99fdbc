"""The command `bench table`."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from ..interfaces.errors import BenchError, UnknownNameError
from ..plugins.registry import Registry, load_registry
from .options.option_values import home
from .options.shared_options import PATH, PRESETS, PROTOCOLS, choices, examples, workspace_option

METRIC_OPTIONS = ("aggregation", "all_metrics", "per_class", "cost")
"""The options that choose numbers of the records; the matrix prints none."""


@click.command(
    epilog=examples(
        "bench table 3",
        "bench table 1 --variant camvid --format latex",
        "bench table 1 --per-class",
        "bench table matrix",
    )
)
@click.argument("name", required=False)
@click.option(
    "--dataset",
    metavar="NAME",
    help="Of the records, print those of this data set. Published numbers are always printed.",
)
@click.option("--variant", metavar="NAME", help="Print the records of this variant alone.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["github", "latex", "html", "csv", "json"]),
    default="github",
    show_default=True,
    help="github: a Markdown table.",
)
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="Print the records of this protocol alone.")
@click.option("--preset", type=click.Choice(PRESETS), help="Print the records of this preset alone.")
@click.option(
    "--aggregation",
    type=click.Choice(["per-image", "pooled"]),
    help=choices(
        "How pixels make a metric; by default as published.",
        per_image="the mean of the metrics of single images",
        pooled="the metric of the pixels of all images",
    ),
)
@click.option("--all-metrics", is_flag=True, help="Also print metrics that the paper does not print.")
@click.option("--per-class", is_flag=True, help="Print every class instead of averages over classes.")
@click.option("--cost", is_flag=True, help="Print seconds a frame and peak memory instead of metrics.")
@workspace_option
@click.option("--records", type=PATH, help="The folder of records; by default records/ in the workspace.")
def table(name: str | None, style: str, workspace: Path | None, records: Path | None, **chosen: Any) -> None:
    """Print a table of published and measured numbers.

    NAME is 1, 2, 3 or 4 for a table of the paper, the name of a plugin's table, or "matrix": which methods
    were run on which data sets, and why others were not. Without NAME, all tables but the matrix are printed.
    """
    from ...results.registered_tables import load_table
    from ...results.tables.build import build_table
    from ...results.tables.render import render
    from ..storage.record import read_records

    if chosen["cost"] and chosen["per_class"]:
        raise click.UsageError("--cost and --per-class are different tables: ask for one of them")
    folder = records or (workspace or home()) / "records"
    registry = load_registry()
    measured = read_records(folder) if folder.exists() else []
    datasets = {*registry.names("datasets"), *(record.identity.dataset for record in measured)}
    if chosen["dataset"] not in (None, *datasets):
        raise UnknownNameError("data set", chosen["dataset"], datasets)
    if name == "matrix":
        click.echo(render(_matrix(registry, measured, chosen), style))
        return
    if name:
        spec = load_table(registry, f"table{name}" if name.isdigit() else name, datasets)
        click.echo(render(build_table(spec, measured, **chosen), style))
        return
    faulty = False
    for registered in registry.names("tables"):
        try:
            spec = load_table(registry, registered, datasets)
        except BenchError as error:  # one plugin's fault must not stop the other tables
            faulty = True
            click.echo(f"Error: {error}", err=True)
            continue
        click.echo(render(build_table(spec, measured, **chosen), style))
    if faulty:
        sys.exit(1)


def _matrix(registry: Registry, measured: Collection[Any], chosen: dict[str, Any]) -> Any:
    from ...results.tables.matrix import build_matrix
    from ..data.folders import needed

    refused = [f"--{option.replace('_', '-')}" for option in METRIC_OPTIONS if chosen.pop(option)]
    if refused:
        raise click.UsageError(f"the matrix holds no metrics: leave out {', '.join(refused)}")
    methods = {method: registry.get("methods", method).tasks for method in registry.names("methods")}
    entries = {dataset: registry.get("datasets", dataset) for dataset in registry.names("datasets")}
    tasks = {dataset: entry.tasks for dataset, entry in entries.items()}
    needs = {dataset: needed(entry) for dataset, entry in entries.items()}
    return build_matrix(measured, methods, tasks, needs, **chosen)
