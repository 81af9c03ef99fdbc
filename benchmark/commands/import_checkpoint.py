"""The command `bench import-checkpoint`."""

from __future__ import annotations

from pathlib import Path

import click

from ..plugins.registry import load_registry
from .options.option_values import home, imported_file
from .options.shared_options import PATH, examples, workspace_option


@click.command(
    "import-checkpoint",
    epilog=examples(
        "bench import-checkpoint fcn8s fcn8s.pth",
        "bench import-checkpoint pspnet encoder_epoch_20.pth decoder_epoch_20.pth",
        "bench run --method msp --dataset streethazards --segmenter pspnet --checkpoint pspnet",
        "bench import-checkpoint spade-generator latest_net_G.pth --upsampling more",
    ),
)
@click.argument("network")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--classes",
    type=click.IntRange(1),
    help="The number of classes of the network; by default that of the published experiment, or what the "
    "weights tell.",
)
@click.option(
    "--upsampling",
    type=click.Choice(("normal", "more", "most")),
    help="The num_upsampling_layers with which a spade-generator was trained: 'more' for both published "
    "generators. The weights do not tell 'normal' from 'more'.",
)
@click.option(
    "--out", type=PATH, help="The .safetensors file to write; by default checkpoints/ in the workspace."
)
@workspace_option
def import_checkpoint(
    network: str,
    files: tuple[Path, ...],
    classes: int | None,
    upsampling: str | None,
    out: Path | None,
    workspace: Path | None,
) -> None:
    """Convert a checkpoint made elsewhere.

    FILES are of the reference implementation or of mmsegmentation. NETWORK is a network of the reference
    implementation, or a segmenter or config of mmsegmentation; an unknown name lists all. No code in FILES is
    run.
    """
    from ..foreign_checkpoints.conversion import convert

    name = Path(network).name.removesuffix(".py")
    file = out or imported_file(workspace or home(), name)
    for written, option in convert(network, files, classes, file, load_registry(), upsampling):
        click.echo(f"wrote {written}: bench run {option}")
