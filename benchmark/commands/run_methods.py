"""The command `bench run`."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..plugins.registry import load_registry
from .options.run_request import make_request
from .options.shared_options import PATH, choices, examples, run_options


@click.command(
    epilog=examples(
        "bench run --method msp,entropy --dataset streethazards-mini",
        "bench run --method all --dataset cityscapes --data /data/cityscapes --device cuda",
    )
)
@run_options
@click.option("--records", type=PATH, help="The folder for records; by default records/ in the workspace.")
@click.option(
    "--rerun",
    type=click.Choice(["never", "missing", "always"]),
    default="missing",
    help=choices(
        "What to run.  [default: missing]",
        never="what has no record, not even of a failure",
        missing="what has no finished record by this code",
        always="everything",
    ),
)
@click.option(
    "--tune-on",
    type=click.Choice(["validation"]),
    help="Choose hyper-parameters on this split, and test the best alone: between the values of --sweep, or "
    "else between the candidate values that a method names.",
)
@click.option("--dry-run", is_flag=True, help="Show what would run.")
def run(**options: Any) -> None:
    """Run methods on data sets.

    Trains what is missing, scores the test split, and writes a record of the metrics of each run.
    """
    request = make_request(options)
    from ..run.runner import describe
    from ..run.runner import run as run_request

    registry = load_registry()
    if options["dry_run"]:
        outcome = describe(request, registry, click.echo)
    else:
        from .progress import track

        outcome = run_request(request, registry, track, click.echo)
    for result in outcome.results:
        job = result.identity
        reason = f": {result.reason}" if result.reason else ""
        where = f"{job.dataset} ({job.task}, {job.segmenter}, seed {job.seed})"
        click.echo(f"{result.state:8} {job.method} on {where}{reason}")
    for unplanned in outcome.absent:
        click.echo(f"skipped  {unplanned.name}: {unplanned.error}")
    for unplanned in outcome.errors:
        click.echo(f"failed   {unplanned.name}: {unplanned.error}")
    click.echo(f"records: {request.record_folder}")
    if outcome.failed:
        sys.exit(1)
