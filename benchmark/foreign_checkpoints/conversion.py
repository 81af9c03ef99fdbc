"""The conversion of a foreign checkpoint: read it, rename its weights, check that they fit, write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ..interfaces.errors import BenchError
from ..plugins.registry import Registry
from ..weights.checkpoint_facts import add_facts
from ..weights.checkpoints import check_fit, read_checkpoint, save_tensors
from .checkpoint_layout import State
from .mmsegmentation_networks import of_mmsegmentation
from .reference_networks import LAYOUTS, generator_width

SUFFIX = ".safetensors"


def convert(
    name: str,
    files: Sequence[Path],
    classes: int | None,
    out: Path,
    registry: Registry,
    upsampling: str | None = None,
) -> list[tuple[Path, str]]:
    """Convert a checkpoint to safetensors files with the names of this project's weights.

    Args:
        name: a key of `LAYOUTS`, a segmenter made of mmsegmentation's models, or an mmsegmentation config.
        files: the checkpoint, as many files as its `CheckpointLayout` names.
        classes: the number of classes; None for the published experiment's number, or the number that the
            weights tell.
        out: the file to write. The second network of a checkpoint goes into a file beside it.
        registry: knows the segmenters.
        upsampling: the upsampling of a SPADE generator, which the converted file records; None for another
            network, or where the weights tell.

    Returns:
        Each file that was written, and the options of `bench run` by which a run uses it.

    Raises:
        BenchError: a file is missing, damaged or would run code, or its weights do not fit, in which case the
            message names file and key; or the upsampling of a generator is not given.
        UnknownNameError: there is no such network.
    """
    if out.suffix != SUFFIX:
        raise BenchError(f"--out {out}: the file that is written is a {SUFFIX} file; give it that ending")
    layout = LAYOUTS.get(name) or of_mmsegmentation(name, registry, LAYOUTS)
    if len(files) != len(layout.files):
        expected_files = ", then ".join(layout.files)
        raise BenchError(
            f"{name} is read from {len(layout.files)} file(s), {expected_files}; got {len(files)}"
        )
    states = [read_checkpoint(file) for file in files]
    count = classes or layout.classes or _classes_of(states[0], files[0])
    states = layout.prepare(states, count)
    facts = layout.facts(states[0], upsampling)
    expected: list[State] = [{} for _ in files]
    places = []
    for part in layout.parts:
        own = part.network(count, states[0]).state_dict()
        places.append({key: part.theirs(key) for key in own})
        for key, (number, theirs) in places[-1].items():
            expected[number][theirs] = own[key]
    for file, expected_state, state in zip(files, expected, states, strict=True):
        check_fit(expected_state, state, file)
    written = []
    for part, place in zip(layout.parts, places, strict=True):
        file = out.with_name(f"{out.name.removesuffix(SUFFIX)}{part.suffix}{SUFFIX}")
        renamed = {key: states[number][theirs] for key, (number, theirs) in place.items()}
        save_tensors(part.finish(renamed), file)
        add_facts(file, facts)
        written.append((file, part.option.format(file=file, width=generator_width(states[0]), **facts)))
    return written


def _classes_of(state: Mapping[str, Tensor], file: Path) -> int:
    """The number of classes that a generator reads, or that a network of mmsegmentation tells apart."""
    if "fc.weight" in state:
        return int(state["fc.weight"].shape[1])
    classifier = state.get("decode_head.conv_seg.weight")
    if classifier is None:
        raise BenchError(f"{file} has no decode_head.conv_seg.weight to tell the classes by: give --classes")
    return len(classifier)
