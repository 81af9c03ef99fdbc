"""Checkpoints of the reference implementation and of mmsegmentation, brought into this project's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..interfaces.errors import BenchError, UnknownNameError
from ..plugins.registry import Registry
from ..run.plan import find_segmenter
from ..segmenters.mmsegmentation.construction.blueprint import read_blueprint
from ..segmenters.mmsegmentation.construction.network import build_network
from ..weights import published_names as reference
from ..weights.checkpoints import check_fit, read_checkpoint, save_tensors

State = dict[str, Tensor]
SUFFIX = ".safetensors"
CITYSCAPES = 19
STREETHAZARDS = 13
GENERATOR = (
    "--set synthcp.cgan.weights={file} --set synthcp.cgan.ngf={width} (and cgan.upsampling and cgan.size as "
    "it was trained: the weights do not hold them)"
)


@dataclass(frozen=True)
class Part:
    """One network that a checkpoint holds.

    Attributes:
        network: makes it for a number of classes, with the widths of the weights that are to fit.
        option: by which a run takes it; `{file}` stands for the file, `{width}` for ngf.
        theirs: our name of a weight to the number of the file that holds it and its name there.
        finish: the weights under our names to what the network computes with.
        suffix: of the name of its file.
    """

    network: Callable[[int, Mapping[str, Tensor]], nn.Module]
    option: str
    theirs: Callable[[str], tuple[int, str]] = lambda key: (0, key)
    finish: Callable[[State], State] = dict
    suffix: str = ""


@dataclass(frozen=True)
class Source:
    """A checkpoint to be imported.

    Attributes:
        parts: what it holds.
        classes: number of classes where none is given; None reads it off the weights.
        files: what each of its files holds.
        prepare: the files' weights, made to hold nothing else than the parts' own.
    """

    parts: tuple[Part, ...]
    classes: int | None = CITYSCAPES
    files: tuple[str, ...] = ("the checkpoint",)
    prepare: Callable[[list[State], int], list[State]] = lambda states, classes: states


def import_checkpoint(
    name: str, files: Sequence[Path], classes: int | None, out: Path, registry: Registry
) -> list[tuple[Path, str]]:
    """Read a checkpoint, map its keys, check that it fits, and write it with safetensors.

    Args:
        name: a key of `SOURCES`, a segmenter of mmsegmentation's kind, or an mmsegmentation config.
        files: as many as the network has.
        classes: None for those of the published experiment.
        out: the file to write; a second network goes beside it.

    Returns:
        Each file that was written, and the option by which a run takes it.

    Raises:
        BenchError: a file is missing, damaged or would run code, or does not fit; names the file and the key.
        UnknownNameError: there is no such network.
    """
    if out.suffix != SUFFIX:
        raise BenchError(f"--out {out}: what is written is a {SUFFIX} file; name it so")
    source = SOURCES.get(name) or of_mmsegmentation(name, registry)
    if len(files) != len(source.files):
        wanted = ", then ".join(source.files)
        raise BenchError(f"{name} is read from {len(source.files)} file(s), {wanted}; got {len(files)}")
    given = [read_checkpoint(file) for file in files]
    count = classes or source.classes or _outputs(given[0], files[0])
    given = source.prepare(given, count)
    expected: list[State] = [{} for _ in files]
    owners = []
    for part in source.parts:
        own = part.network(count, given[0]).state_dict()
        owners.append({key: part.theirs(key) for key in own})
        for key, (number, theirs) in owners[-1].items():
            expected[number][theirs] = own[key]
    for file, wanted_here, given_here in zip(files, expected, given, strict=True):
        check_fit(wanted_here, given_here, file)
    written = []
    for part, owner in zip(source.parts, owners, strict=True):
        file = out.with_name(f"{out.name.removesuffix(SUFFIX)}{part.suffix}{SUFFIX}")
        save_tensors(
            part.finish({key: given[number][theirs] for key, (number, theirs) in owner.items()}), file
        )
        written.append((file, part.option.format(file=file, width=_width(given[0]))))
    return written


def of_mmsegmentation(name: str, registry: Registry) -> Source:
    """A checkpoint of mmsegmentation's own form.

    Raises:
        UnknownNameError: neither a network of the reference implementation nor a segmenter or config.
        BenchError: the segmenter is none of mmsegmentation's.
    """
    try:
        entry, implied = find_segmenter(name, registry)
    except UnknownNameError as error:
        raise UnknownNameError("network", name, [*SOURCES, *registry.names("segmenters")]) from error
    config = implied.get("config") or getattr(entry.load(), "architecture", {}).get("config")
    if config is None:
        raise BenchError(
            f"segmenter '{name}' is no network of mmsegmentation: give its checkpoint to --checkpoint"
        )
    option = f"--segmenter {name} --checkpoint {{file}}"

    def prepare(states: list[State], classes: int) -> list[State]:
        return [{k: v for k, v in s.items() if not k.startswith("data_preprocessor.")} for s in states]

    return Source((Part(partial(_segmenter, config), option),), None, prepare=prepare)


def _outputs(state: Mapping[str, Tensor], file: Path) -> int:
    """Number of classes of an mmsegmentation network, or of a generator, which reads them."""
    if "fc.weight" in state:
        return int(state["fc.weight"].shape[1])
    classifier = state.get("decode_head.conv_seg.weight")
    if classifier is None:
        raise BenchError(f"{file} has no decode_head.conv_seg.weight to tell the classes by: give --classes")
    return len(classifier)


def _width(state: Mapping[str, Tensor]) -> int:
    """Ngf of a generator."""
    return max(1, len(state["fc.weight"]) // 16) if "fc.weight" in state else 64


def _segmenter(config: str, classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    return build_network(read_blueprint(config, classes))


def _generator(classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    from ...methods.synthcp.spade import Generator

    norm: Any = "none" if "head_0.conv_0.weight" in state else "spectral"
    upsampling: Any = "most" if "up_4.conv_0.bias" in state else "normal"
    return Generator(classes, _width(state), upsampling=upsampling, norm=norm)


def _discriminator(classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    from ...methods.synthcp.spade import Discriminator

    return Discriminator(classes)


def _comparison(synthesized: bool, classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    from ...methods.synthcp.comparison import ComparisonConfig, ComparisonNetwork

    return ComparisonNetwork(classes, ComparisonConfig(pretrained=False), synthesized)


def _comparison_option(method: str) -> str:
    own = f"--set {method}.comparison"
    return f"{own}.weights={{file}} {own}.encoder=resnet18 {own}.size=null"


def _branch(widths: Sequence[int], classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    from ...methods.tcp import ConfidenceBranch

    return ConfidenceBranch(widths)


_FCN8S = Part(
    partial(_segmenter, "fcn8s"),
    "--segmenter fcn8s --checkpoint {file}",
    lambda key: (0, reference.fcn8s(key)),
)
_DEEPLAB = Part(
    partial(_segmenter, "deeplab"),
    "--segmenter deeplab --checkpoint {file}",
    lambda key: (0, reference.deeplab(key)),
    reference.pooled_first,
)


def _tcp(widths: Sequence[int]) -> Part:
    return Part(partial(_branch, widths), "--set tcp.weights={file}", suffix="-branch")


def _without_alias(states: list[State], classes: int) -> list[State]:
    return [reference.without_alias(states[0])]


def _pspnet(states: list[State], classes: int) -> list[State]:
    encoder, decoder = map(reference.without_sums, states)
    return [encoder, reference.narrowed(decoder, classes)]


SOURCES: Mapping[str, Source] = {
    "spade-generator": Source((Part(_generator, GENERATOR),), None),
    "spade-discriminator": Source((Part(_discriminator, "(no run reads it: for training on)"),)),
    "synthcp-comparison": Source((Part(partial(_comparison, True), _comparison_option("synthcp")),)),
    "direct-prediction": Source(
        (Part(partial(_comparison, False), _comparison_option("direct-prediction")),)
    ),
    "fcn8s": Source((_FCN8S,), prepare=_without_alias),
    "deeplab": Source((_DEEPLAB,)),
    "tcp-fcn8s": Source((_FCN8S, _tcp((256, 512, 4096))), prepare=_without_alias),
    "tcp-deeplab": Source((_DEEPLAB, _tcp((256,)))),
    "pspnet": Source(
        (
            Part(
                partial(_segmenter, "resnet50dilated_ppm"),
                "--segmenter pspnet --checkpoint {file}",
                lambda key: (int(not key.startswith("backbone.")), reference.pspnet(key)),
            ),
        ),
        STREETHAZARDS,
        ("the encoder's", "the decoder's"),
        _pspnet,
    ),
}
"""The networks of the reference implementation, as published for Cityscapes and StreetHazards."""
