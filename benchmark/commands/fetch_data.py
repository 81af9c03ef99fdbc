"""The command `bench data`."""

from __future__ import annotations

from pathlib import Path

import click

from ..interfaces import Dataset
from ..interfaces.errors import BenchError
from ..plugins.registry import load_registry
from .options.option_values import data_folders, home
from .options.shared_options import data_option, examples, workspace_option


@click.command(epilog=examples("bench data", "bench data streethazards --fetch --data /data/streethazards"))
@click.argument("name", required=False)
@data_option
@workspace_option
@click.option(
    "--fetch",
    is_flag=True,
    help="Download the data set into the folder of --data, if its source asks for no login.",
)
def data(name: str | None, data: tuple[str, ...], workspace: Path | None, fetch: bool) -> None:
    """Show where data sets come from, or download one.

    For each data set, the source, the licence and the number of images on this machine are shown.
    """
    from ..data.download import fetch as download

    registry = load_registry()
    folders = data_folders(data)
    if fetch and name is None:
        raise click.UsageError("--fetch needs the name of a data set")
    for dataset_name in [name] if name else registry.names("datasets"):
        dataset_class: type[Dataset] = registry.get("datasets", dataset_name).load()
        info = dataset_class.info
        folder = folders.get(dataset_name, folders.get(""))
        if fetch:
            if folder is None:
                raise click.UsageError("--fetch needs --data DIR to download into")
            download(info, folder, _show_progress)
        click.echo(f"{info.name}: {info.summary}\n  from: {info.source}\n  licence: {info.licence}")
        if name:
            click.echo(f"  cite: {info.citation}\n  layout:\n{info.layout}")
        if dataset_class.generated:
            folder = (workspace or home()) / "data"
        try:
            _show_splits(dataset_class, folder)
        except BenchError as error:
            click.echo(f"  present: no. {error}")


def _show_splits(dataset_class: type[Dataset], folder: Path | None) -> None:
    """Print how many images of each split there are."""
    from ..data.folders import locate, status

    if folder is None:
        click.echo("  present: unknown; name a folder with --data DIR or BENCH_DATA")
        return
    root = folder / dataset_class.info.name if dataset_class.generated else locate(dataset_class, folder)
    for split in status(dataset_class(root)):
        problem = f" ({split.problem})" if split.problem else ""
        click.echo(f"  {split.name}: {split.found} of {split.expected} images in {root}{problem}")


def _show_progress(step: str, done: int, total: int | None) -> None:
    """Show the progress of a download on one line of standard error."""
    share = f" of {total / 2**20:.0f}" if total else ""
    click.echo(f"\r{step}: {done / 2**20:.0f}{share} MiB", nl=False, err=True)
