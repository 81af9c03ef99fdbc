"""The command `bench run`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ..interfaces.errors import BenchError
from ..plugins.registry import Registry, load_registry
from .options.run_request import make_request
from .options.shared_options import PATH, choices, examples, run_options

if TYPE_CHECKING:
    from ..planning.request import Request
    from ..run.group_run import JobResult


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
        missing="jobs without a finished record, or whose code has changed",
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
    for name in folders_not_used(request, registry):
        click.echo(f"{name} is generated; --data is not used for it")
    if options["dry_run"]:
        outcome = describe(request, registry, click.echo)
    else:
        from .progress import track

        outcome = run_request(request, registry, track, click.echo)
    for result in outcome.results:
        click.echo(_line(result))
    for unplanned in outcome.absent:
        click.echo(f"skipped  {unplanned.name}: {unplanned.error}")
    for unplanned in outcome.errors:
        click.echo(f"failed   {unplanned.name}: {unplanned.error}")
    click.echo(f"records: {request.record_folder}")
    if outcome.failed:
        sys.exit(1)


def folders_not_used(request: Request, registry: Registry) -> list[str]:
    """The generated data sets of a request for which `--data DATASET=DIR` names a folder all the same."""
    asked = {*(request.datasets or registry.names("datasets")), request.train_dataset}
    return [name for name in request.data if name in asked and _is_generated(registry, name)]


def _is_generated(registry: Registry, name: str) -> bool:
    try:
        return bool(registry.get("datasets", name).load().generated)
    except BenchError:  # an error of the run, which says so
        return False


def _line(result: JobResult) -> str:
    """What became of one job, in one line, and in a second line where the record of a failure is."""
    job = result.identity
    settings = [f"{job.task}, {job.segmenter}, seed {job.seed}", *_values(result.options)]
    line = f"{result.state:8} {job.method} on {job.dataset} ({'; '.join(settings)})"
    if result.chosen:
        split = job.tuned.split if job.tuned else "held-out data"
        line += f"; chosen on {split}: {', '.join(_values(result.chosen))}"
    if result.reason:
        line += f": {result.reason}"
    if result.state == "failed" and result.record is not None:
        line += f"\n         {'traceback in' if result.has_traceback else 'record:'} {result.record}"
    return line


def _values(options: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in options.items()]
