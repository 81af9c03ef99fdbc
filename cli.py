"""The `bench` command: parses, calls, prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import cached_property, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from segalarm.benchmark.interfaces import Preset, Protocol, Task
from segalarm.benchmark.interfaces.errors import BenchError, UnknownNameError
from segalarm.benchmark.plugins.registry import KINDS, collision, load_registry

if TYPE_CHECKING:
    from segalarm.benchmark.run.request import Request

WORKSPACE = Path.home() / ".cache" / "segalarm"
CHECKPOINTS = "checkpoints"
"""Below the workspace: what `import-checkpoint` keeps."""
LISTS = ("method", "dataset", "task", "segmenter", "seed")
"""Options of several values, separated by commas."""
METRIC_OPTIONS = ("aggregation", "all_metrics", "per_class", "cost")
"""Options of a table: which numbers of the records it prints."""


def home() -> Path:
    """The default workspace."""
    return Path(os.environ.get("BENCH_HOME") or WORKSPACE)


def examples(*lines: str) -> str:
    """The end of a command's help: lines that click leaves as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class Group(click.Group):
    """Has plugins' commands after its own, and shows a `BenchError` as one message.

    The exit code is 2 for an unknown name, else 1.
    """

    @cached_property
    def foreign(self) -> click.Group:
        """The commands of plugins."""
        group = click.Group()
        load_registry().add_commands(group)
        return group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Own commands, then plugins'."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in self.foreign.list_commands(ctx) if name not in own)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command; its own go first."""
        return super().get_command(ctx, cmd_name) or self.foreign.get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BenchError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2 if isinstance(error, UnknownNameError) else 1)
        except KeyboardInterrupt:
            click.echo("Stopped. What was finished is kept; the same command goes on from there.", err=True)
            sys.exit(1)


@click.group(
    cls=Group, epilog=examples("bench run --method msp,entropy --dataset streethazards-mini", "bench table 3")
)
@click.version_option(package_name="segalarm")
def main() -> None:
    """Benchmark of failure detection and anomaly segmentation."""


def names(text: str | None, option: str) -> tuple[str, ...]:
    """Comma-separated names; the empty tuple where the option is not given."""
    found = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    if text is not None and not found:
        raise click.UsageError(f"{option} names nothing")
    return found


def folders(values: tuple[str, ...]) -> dict[str, Path]:
    """Where data sets are to be looked for: `--data`, else `BENCH_DATA`."""
    given = values or tuple(filter(None, os.environ.get("BENCH_DATA", "").split(os.pathsep)))
    return {name: Path(folder) for name, folder in named(given).items()}


def some(text: str | None, option: str) -> tuple[str, ...]:
    """Likewise, and the empty tuple for "all"."""
    return () if text == "all" else names(text, option)


def named(values: tuple[str, ...]) -> dict[str, str]:
    """`VALUE` or `DATASET=VALUE`, repeated; the key "" stands for every data set.

    A value that is a path, or begins with what no data set's name holds, is taken whole.
    """
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        plain = not equals or set(name) & set("/\\.~")
        found["" if plain else name] = value if plain else text
    return found


def read_defaults(context: click.Context, file: Path | None) -> Path | None:
    """Let the table [run] of a TOML file stand in for options that are not given."""
    if file is not None:
        from segalarm.benchmark.run.request import read_toml

        table = read_toml(file).get("run", {})
        if not isinstance(table, dict):
            raise BenchError(f"--config {file}: 'run' must be a table [run]")
        given = {key.replace("-", "_"): value for key, value in table.items()}
        known = {parameter.name for parameter in context.command.params}
        for key in given:
            if key not in known:
                raise UnknownNameError(f"option under [run] in {file}", key, filter(None, known))
        context.default_map = {
            key: ",".join(map(str, value)) if isinstance(value, list) and key in LISTS else value
            for key, value in given.items()
        }
    return file


@main.command("list", epilog=examples("bench list methods", "bench list --json"))
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_names(kind: str | None, as_json: bool) -> None:
    """List what is installed, with the plugin that supplies it."""
    from tabulate import tabulate

    registry = load_registry()
    rows = []
    for entry in registry:
        if kind is None or entry.kind == kind:
            found = registry.entries[entry.kind][entry.name]
            rows.append(
                {
                    "kind": entry.kind,
                    "name": entry.name,
                    "summary": entry.summary,
                    "tasks": ", ".join(entry.tasks),
                    "needs training": entry.trains if entry.kind == "methods" else "",
                    "plugin": entry.plugin,
                    "status": "ok" if len(found) == 1 else collision(found),
                }
            )
    broken = [{"plugin": b.name, "status": b.error} for b in registry.broken]
    if as_json:
        click.echo(json.dumps({"names": rows, "broken": broken}, indent=1))
        return
    click.echo(tabulate(rows, headers="keys"))
    for plugin in broken:
        click.echo(f"broken plugin {plugin['plugin']}: {plugin['status']}")


RUN_OPTIONS = (
    click.option("--method", required=True, help="Names separated by commas, or all."),
    click.option("--dataset", required=True, help="Names separated by commas, or all."),
    click.option(
        "--task",
        help="Tasks separated by commas, or all; otherwise those of the published experiment, and with "
        "--dataset all every one.",
    ),
    click.option(
        "--segmenter", help="Names, mmsegmentation configs, or all; otherwise the data set's first."
    ),
    click.option("--train-segmenter", help="Fit methods on this segmenter's predictions instead."),
    click.option("--train-dataset", help="Train the segmenter on this data set instead."),
    click.option(
        "--variant", multiple=True, help="NAME or DATASET=NAME, for a tree that is not the release."
    ),
    click.option("--preset", type=click.Choice([p.value for p in Preset])),
    click.option("--protocol", type=click.Choice([p.value for p in Protocol]), default="official"),
    click.option("--seed", default="0", help="Numbers separated by commas."),
    click.option(
        "--segmenter-seed",
        type=click.IntRange(0),
        help="Train the segmenter with this seed; otherwise the run's.",
    ),
    click.option("--data", multiple=True, help="DIR or DATASET=DIR.  [env: BENCH_DATA]"),
    click.option(
        "--workspace", type=click.Path(path_type=Path), help="Where everything is kept.  [env: BENCH_HOME]"
    ),
    click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N."),
    click.option("--precision", type=click.Choice(["32", "bf16-mixed", "16-mixed"]), default="32"),
    click.option(
        "--checkpoint",
        type=click.Path(path_type=Path),
        help="Weights of the segmenter: a file, or an imported name.",
    ),
    click.option("--set", "sets", multiple=True, metavar="NAME.KEY=VALUE", help="A hyper-parameter."),
    click.option("--sweep", "sweeps", multiple=True, metavar="NAME.KEY=VALUE,...", help="Several at once."),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        is_eager=True,
        callback=lambda context, _, file: read_defaults(context, file),
        help="TOML: these options under [run], a table a plugin with its hyper-parameters.",
    ),
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what runs on what."""
    return reduce(lambda found, option: option(found), reversed(RUN_OPTIONS), command)


def make_request(options: dict[str, Any]) -> Request:
    """What the options of `run_options` ask for."""
    from segalarm.benchmark.run.request import Request, parse_options, parse_sweeps

    workspace = options["workspace"] or home()
    try:
        every = options["task"] == "all"
        tasks = tuple(Task) if every else tuple(Task(name) for name in names(options["task"], "--task"))
        seeds = tuple(int(number) for number in names(options["seed"], "--seed"))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if min(seeds) < 0:
        raise click.UsageError("--seed takes numbers from 0 on")
    return Request(
        methods=some(options["method"], "--method"),
        datasets=some(options["dataset"], "--dataset"),
        tasks=tasks,
        segmenters=names(options["segmenter"], "--segmenter"),
        train_segmenter=options["train_segmenter"],
        train_dataset=options["train_dataset"],
        variants=named(options["variant"]),
        data=folders(options["data"]),
        preset=Preset(options["preset"]) if options["preset"] else None,
        protocol=Protocol(options["protocol"]),
        seeds=seeds,
        segmenter_seed=options["segmenter_seed"],
        workspace=workspace,
        records=options.get("records"),
        device=options["device"],
        precision=options["precision"],
        checkpoint=registered(workspace, options["checkpoint"]),
        rerun=options.get("rerun", "missing"),
        options=parse_options(options["sets"], options["config"]),
        sweeps=parse_sweeps(options["sweeps"]),
        tune_on=options.get("tune_on"),
    )


def registered(workspace: Path, checkpoint: Path | None) -> Path | None:
    """A checkpoint by its file, or by the name under which `import-checkpoint` keeps it."""
    if checkpoint is None or checkpoint.is_file() or len(checkpoint.parts) > 1:
        return checkpoint
    kept = workspace / CHECKPOINTS / f"{checkpoint.name}.safetensors"
    return kept if kept.is_file() else checkpoint


@main.command(
    epilog=examples(
        "bench run --method msp,entropy --dataset streethazards-mini",
        "bench run --method all --dataset cityscapes --data /data/cityscapes --device cuda",
    )
)
@run_options
@click.option("--records", type=click.Path(path_type=Path), help="Where records go; otherwise the workspace.")
@click.option("--rerun", type=click.Choice(["never", "missing", "always"]), default="missing")
@click.option(
    "--tune-on",
    type=click.Choice(["validation"]),
    help="Choose swept options, or else those a method leaves open, on this split, and run the best alone.",
)
@click.option("--dry-run", is_flag=True, help="Show what would run.")
def run(**options: Any) -> None:
    """Run methods on data sets."""
    request = make_request(options)
    from segalarm.benchmark.run.runner import describe
    from segalarm.benchmark.run.runner import run as run_request

    registry = load_registry()
    if options["dry_run"]:
        outcome = describe(request, registry, click.echo)
    else:
        from segalarm.benchmark.commands.progress import track

        outcome = run_request(request, registry, track, click.echo)
    for cell in outcome.cells:
        who = cell.identity
        reason = f": {cell.reason}" if cell.reason else ""
        where = f"{who.dataset} ({who.task}, {who.segmenter}, seed {who.seed})"
        click.echo(f"{cell.state:8} {who.method} on {where}{reason}")
    for what, reason in outcome.absent:
        click.echo(f"skipped  {what}: {reason}")
    for what, reason in outcome.errors:
        click.echo(f"failed   {what}: {reason}")
    click.echo(f"records: {request.record_folder}")
    if outcome.failed:
        sys.exit(1)


@main.command(
    "import-checkpoint",
    epilog=examples(
        "bench import-checkpoint fcn8s fcn8s.pth",
        "bench import-checkpoint pspnet encoder_epoch_20.pth decoder_epoch_20.pth",
        "bench run --method msp --dataset streethazards --segmenter pspnet --checkpoint pspnet",
    ),
)
@click.argument("network")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--classes", type=click.IntRange(1), help="Otherwise those of the published experiment.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; otherwise in the workspace.")
@click.option("--workspace", type=click.Path(path_type=Path), help="[env: BENCH_HOME]")
def import_checkpoint(
    network: str, files: tuple[Path, ...], classes: int | None, out: Path | None, workspace: Path | None
) -> None:
    """Bring a checkpoint of the reference implementation or of mmsegmentation into this project's form.

    NETWORK is one of the reference implementation's (an unknown name lists them), or a segmenter or config of
    mmsegmentation. No code in FILES is run.
    """
    from segalarm.benchmark.commands.import_checkpoint import import_checkpoint as convert

    name = Path(network).name.removesuffix(".py")
    file = out or (workspace or home()) / CHECKPOINTS / f"{name}.safetensors"
    for written, option in convert(network, files, classes, file, load_registry()):
        click.echo(f"wrote {written}: bench run {option}")


@main.command(
    epilog=examples(
        "bench show --method synthcp,msp --dataset streethazards-mini --out pictures",
        "bench show --method all --dataset streethazards-mini --curves --out pictures",
    )
)
@run_options
@click.option("--sample", "samples", multiple=True, metavar="KEY", help="Test samples; otherwise a few.")
@click.option("--curves", is_flag=True, help="Also precision-recall and ROC curves over all test pixels.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where pictures go.")
def show(samples: tuple[str, ...], curves: bool, out: Path, **options: Any) -> None:
    """Draw test samples: input, label, prediction, ground truth and every method's scores.

    With --curves, all methods' precision-recall and ROC curves in one figure a pixel-level task.

    For image-failure, a scatter of predicted against actual quality of each class over the test split.
    """
    request = make_request(options)
    from segalarm.benchmark.commands.progress import track
    from segalarm.benchmark.figures.sample_panels import show as draw

    for file in draw(request, load_registry(), samples, out, track, click.echo, curves):
        click.echo(str(file))


@main.command(
    epilog=examples("bench export --method msp,energy --dataset streethazards-mini --format smiyc --out maps")
)
@run_options
@click.option(
    "--format", "layout", type=click.Choice(["smiyc"]), default="smiyc", help="Of SegmentMeIfYouCan."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder that maps go into.")
def export(layout: str, out: Path, **options: Any) -> None:
    """Write anomaly score maps of the test split for other tools, HDF5 files in anomaly_p/METHOD/DATASET."""
    request = make_request(options)
    from segalarm.benchmark.commands.progress import track
    from segalarm.benchmark.score_maps.exchange import export as write

    for folder in write(request, load_registry(), out, track, click.echo):
        click.echo(str(folder))


@main.command(
    epilog=examples(
        "bench score --scores maps/anomaly_p/msp --dataset streethazards-mini --name msp-elsewhere",
        "bench score --scores maps/anomaly_p/mine --dataset streethazards-mini --segmenter lite0",
    )
)
@click.option("--scores", type=click.Path(path_type=Path), required=True, help="Maps as bench export writes.")
@click.option("--dataset", required=True)
@click.option("--name", help="What the record calls the method; otherwise its folder's name.")
@click.option(
    "--segmenter", help="Whose predictions the maps were made of: puts them into its grid of a table."
)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="That segmenter's, where it has one.")
@click.option("--set", "sets", multiple=True, metavar="NAME.KEY=VALUE", help="A hyper-parameter of it.")
@click.option("--train-dataset", help="What that was trained on, where it is another data set.")
@click.option("--variant", multiple=True, help="NAME or DATASET=NAME, for a tree that is not the release.")
@click.option("--preset", type=click.Choice([p.value for p in Preset]))
@click.option("--protocol", type=click.Choice([p.value for p in Protocol]), default="official")
@click.option("--seed", default="0", help="A number that tells several runs of one method apart.")
@click.option("--data", multiple=True, help="DIR or DATASET=DIR.  [env: BENCH_DATA]")
@click.option("--workspace", type=click.Path(path_type=Path), help="[env: BENCH_HOME]")
@click.option(
    "--records", type=click.Path(path_type=Path), help="Where the record goes; otherwise the workspace."
)
def score(scores: Path, name: str | None, **options: Any) -> None:
    """Judge anomaly score maps that were made elsewhere; leaves a record that tables show like any other."""
    from segalarm.benchmark.commands.progress import track
    from segalarm.benchmark.score_maps.exchange import score as judge
    from tabulate import tabulate

    absent = dict.fromkeys(("train_segmenter", "task", "segmenter_seed", "config"))
    fixed = {"method": "all", "device": "cpu", "precision": "32", "sweeps": ()}
    request = make_request(options | absent | fixed)
    record, file = judge(request, load_registry(), scores, name, track)
    rows = [
        {"": how, **{metric: f"{100 * value:.2f}" for metric, value in values.items()}}
        for how, values in record.metrics.items()
    ]
    click.echo(f"{record.identity.method} on {record.identity.dataset}, percent:")
    click.echo(tabulate(rows, headers="keys", disable_numparse=True))
    click.echo(f"record: {file}")


@main.command(
    epilog=examples(
        "bench table 3",
        "bench table 1 --variant camvid --format latex",
        "bench table 1 --per-class",
        "bench table matrix",
    )
)
@click.argument("name", required=False)
@click.option("--dataset", help="Records of this data set alone.")
@click.option("--variant")
@click.option(
    "--format", "style", type=click.Choice(["github", "latex", "html", "csv", "json"]), default="github"
)
@click.option("--protocol", type=click.Choice([p.value for p in Protocol]))
@click.option("--preset", type=click.Choice([p.value for p in Preset]))
@click.option("--aggregation", type=click.Choice(["per-image", "pooled"]))
@click.option("--all-metrics", is_flag=True, help="Also metrics that the paper does not print.")
@click.option("--per-class", is_flag=True, help="Every class in place of averages over classes.")
@click.option("--cost", is_flag=True, help="Seconds a frame and peak memory in place of metrics.")
@click.option("--workspace", type=click.Path(path_type=Path), help="[env: BENCH_HOME]")
@click.option("--records", type=click.Path(path_type=Path), help="Read records from here instead.")
def table(name: str | None, style: str, workspace: Path | None, records: Path | None, **chosen: Any) -> None:
    """Print a table of the paper (1, 2, 3 or 4; all without a name), published and measured.

    The table "matrix" says which methods were run on which data sets, and why others were not.
    """
    from segalarm.benchmark.data.folders import needed
    from segalarm.benchmark.storage.record import read_records
    from segalarm.results.tables.build import build_table, render
    from segalarm.results.tables.matrix import build_matrix

    if chosen["cost"] and chosen["per_class"]:
        raise click.UsageError("--cost and --per-class are different tables: ask for one of them")
    folder = records or (workspace or home()) / "records"
    registry = load_registry()
    found = read_records(folder) if folder.exists() else []
    known = {*registry.names("datasets"), *(record.identity.dataset for record in found)}
    if chosen["dataset"] not in (None, *known):
        raise UnknownNameError("data set", chosen["dataset"], known)
    if name == "matrix":
        asked = [f"--{option.replace('_', '-')}" for option in METRIC_OPTIONS if chosen.pop(option)]
        if asked:
            raise click.UsageError(f"the matrix holds no metrics: leave out {', '.join(asked)}")
        methods = {each: registry.get("methods", each).tasks for each in registry.names("methods")}
        datasets = {each: registry.get("datasets", each) for each in registry.names("datasets")}
        tasks = {each: entry.tasks for each, entry in datasets.items()}
        needs = {each: needed(entry) for each, entry in datasets.items()}
        click.echo(render(build_matrix(found, methods, tasks, needs, **chosen), style))
        return
    for each in [name] if name else registry.names("tables"):
        spec = registry.get("tables", f"table{each}" if each.isdigit() else each).load()
        click.echo(render(build_table(spec, found, **chosen), style))


@main.command(epilog=examples("bench data", "bench data streethazards --fetch --data /data/streethazards"))
@click.argument("name", required=False)
@click.option("--data", multiple=True, help="DIR or DATASET=DIR.  [env: BENCH_DATA]")
@click.option("--workspace", type=click.Path(path_type=Path), help="[env: BENCH_HOME]")
@click.option("--fetch", is_flag=True, help="Download what has an open address, into --data.")
def data(name: str | None, data: tuple[str, ...], workspace: Path | None, fetch: bool) -> None:
    """Show where data sets come from, and what of them is present and valid."""
    from segalarm.benchmark.data.download import fetch as download
    from segalarm.benchmark.data.folders import locate, status

    registry = load_registry()
    places = folders(data)
    if fetch and name is None:
        raise click.UsageError("--fetch needs the name of a data set")
    for each in [name] if name else registry.names("datasets"):
        kind = registry.get("datasets", each).load()
        info = kind.info
        folder = places.get(each, places.get(""))
        if fetch:
            if folder is None:
                raise click.UsageError("--fetch needs --data DIR to download into")
            download(info, folder, progress)
        click.echo(f"{info.name}: {info.summary}\n  from: {info.source}\n  licence: {info.licence}")
        if name:
            click.echo(f"  cite: {info.citation}\n  layout:\n{info.layout}")
        try:
            if kind.generated:
                root = (workspace or home()) / "data" / each
            elif folder is None:
                click.echo("  present: unknown; name a folder with --data DIR or BENCH_DATA")
                continue
            else:
                root = locate(kind, folder)
            for split in status(kind(root)):
                problem = f" ({split.problem})" if split.problem else ""
                click.echo(f"  {split.name}: {split.found} of {split.expected} images in {root}{problem}")
        except BenchError as error:
            click.echo(f"  present: no. {error}")


def progress(what: str, done: int, total: int | None) -> None:
    """Show a download's progress on one line."""
    share = f" of {total / 2**20:.0f}" if total else ""
    click.echo(f"\r{what}: {done / 2**20:.0f}{share} MiB", nl=False, err=True)


@main.command(epilog=examples("bench check msp", "bench check my-plugins-data-set"))
@click.argument("name")
def check(name: str) -> None:
    """Check that a method, data set or segmenter does what its interface says."""
    import tempfile

    from segalarm.benchmark.conformance.checks import NonconformingError, checks

    registry = load_registry()
    found = [kind for kind in KINDS[:3] if name in registry.names(kind)]
    if not found:
        known = {each for kind in KINDS[:3] for each in registry.names(kind)}
        raise UnknownNameError("method, data set or segmenter", name, known)
    sound = True
    for kind in found:
        for each in checks(kind, name):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    each(Path(folder))
                    click.echo(f"ok   {each}")
                except NonconformingError as error:
                    sound = False
                    click.echo(f"BAD  {each}: {error}")
    if not sound:
        sys.exit(1)


@main.command(epilog=examples("bench doctor"))
@click.option("--workspace", type=click.Path(path_type=Path), help="[env: BENCH_HOME]")
def doctor(workspace: Path | None) -> None:
    """Check versions, devices, extras, plugins and disk."""
    from segalarm.benchmark.commands.doctor import examine

    sound = True
    for what, finding, fine in examine(load_registry(), workspace or home(), folders(())):
        click.echo(f"{'ok ' if fine else 'BAD'}  {what}: {finding}")
        sound = sound and fine
    if not sound:
        sys.exit(1)


if __name__ == "__main__":
    main()
