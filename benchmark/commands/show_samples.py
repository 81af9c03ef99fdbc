"""The command `bench show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..plugins.registry import load_registry
from .options.run_request import make_request
from .options.shared_options import PATH, examples, run_options


@click.command(
    epilog=examples(
        "bench show --method synthcp,msp --dataset streethazards-mini --out pictures",
        "bench show --method all --dataset streethazards-mini --curves --out pictures",
    )
)
@run_options
@click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="KEY",
    help="A sample of the test split; by default three samples.",
)
@click.option(
    "--curves",
    is_flag=True,
    help="Also draw precision-recall and ROC curves over all test pixels, one figure for each task.",
)
@click.option("--out", type=PATH, required=True, help="The folder for the pictures.")
def show(samples: tuple[str, ...], curves: bool, out: Path, **options: Any) -> None:
    """Draw test samples with their score maps.

    A picture shows image, label, prediction, ground truth and the score map of every method. For the task
    image-failure, a picture shows predicted against actual quality of each class over the test split.
    """
    request = make_request(options)
    from ..figures.requested_figures import show as draw
    from .progress import track

    for file in draw(request, load_registry(), samples, out, track, click.echo, curves):
        click.echo(str(file))
