"""The commands `bench export` and `bench score`: score maps for, and from, other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..plugins.registry import load_registry
from .options.run_request import make_request
from .options.shared_options import (
    PATH,
    checkpoint_option,
    data_option,
    examples,
    preset_option,
    protocol_option,
    run_options,
    set_option,
    variant_option,
    workspace_option,
)


@click.command(
    epilog=examples("bench export --method msp,energy --dataset streethazards-mini --format smiyc --out maps")
)
@run_options
@click.option(
    "--format",
    "layout",
    type=click.Choice(["smiyc"]),
    default="smiyc",
    show_default=True,
    help="smiyc: the layout of the SegmentMeIfYouCan tools.",
)
@click.option("--out", type=PATH, required=True, help="The folder for the score maps.")
def export(layout: str, out: Path, **options: Any) -> None:
    """Write anomaly score maps for other tools.

    The score map of a test image is an HDF5 file, anomaly_p/METHOD/DATASET/FRAME.hdf5.
    """
    request = make_request(options)
    from ..score_maps.export import export as write
    from .progress import track

    for folder in write(request, load_registry(), out, track, click.echo):
        click.echo(str(folder))


@click.command(
    epilog=examples(
        "bench score --scores maps/anomaly_p/msp --dataset streethazards-mini --name msp-elsewhere",
        "bench score --scores maps/anomaly_p/mine --dataset streethazards-mini --segmenter lite0",
    )
)
@click.option(
    "--scores", type=PATH, required=True, help="The folder of the score maps, in the layout of bench export."
)
@click.option("--dataset", required=True, metavar="NAME", help="The data set that was scored.")
@click.option(
    "--name", help="The name of the method in the record; by default the name of the folder of its maps."
)
@click.option(
    "--segmenter",
    metavar="NAME",
    help="The segmenter whose predictions the maps were made from: tables then list the record among the "
    "runs of that segmenter.",
)
@checkpoint_option
@set_option
@click.option(
    "--train-dataset",
    metavar="NAME",
    help="The data set that the segmenter was trained on, if not on the scored one.",
)
@variant_option
@preset_option
@protocol_option
@click.option(
    "--seed",
    default="0",
    show_default=True,
    metavar="NUMBER",
    help="A number that tells several runs of one method apart.",
)
@data_option
@workspace_option
@click.option("--records", type=PATH, help="The folder for the record; by default records/ in the workspace.")
def score(scores: Path, name: str | None, **options: Any) -> None:
    """Evaluate anomaly score maps made elsewhere.

    Writes a record, which tables show like that of any method.
    """
    from tabulate import tabulate

    from ..score_maps.judge import score as judge
    from .progress import track

    request = make_request({**options, "method": "all", "device": "cpu", "precision": "32"})
    record, file = judge(request, load_registry(), scores, name, track)
    rows = [
        {"": aggregation, **{metric: f"{100 * value:.2f}" for metric, value in values.items()}}
        for aggregation, values in record.metrics.items()
    ]
    click.echo(f"{record.identity.method} on {record.identity.dataset}, percent:")
    click.echo(tabulate(rows, headers="keys", disable_numparse=True))
    click.echo(f"record: {file}")
