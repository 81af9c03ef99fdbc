"""What a foreign checkpoint holds, and how its weights become the weights of this project's networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..interfaces.errors import BenchError

State = dict[str, Tensor]
"""Name of a weight -> weight, as in torch's `state_dict`."""


@dataclass(frozen=True)
class Part:
    """One network that a checkpoint holds.

    Attributes:
        network: makes this project's network for a number of classes, with the widths of layers that the
            checkpoint's weights have.
        option: the options of `bench run` by which a run uses the network; `{file}` stands for the converted
            file, `{width}` and `{upsampling}` for those of a generator.
        theirs: the name of a weight of ours -> (number of the file that holds the weight, its name there).
        finish: changes the weights, under our names, to those that our network computes with.
        suffix: the end of the converted file's name, which tells the parts of one checkpoint apart.
    """

    network: Callable[[int, Mapping[str, Tensor]], nn.Module]
    option: str
    theirs: Callable[[str], tuple[int, str]] = lambda key: (0, key)
    finish: Callable[[State], State] = dict
    suffix: str = ""


def no_facts(state: Mapping[str, Tensor], upsampling: str | None) -> dict[str, str]:
    """The facts of a network whose weights tell everything: none.

    Raises:
        BenchError: the user gives an upsampling, which only a generator has.
    """
    if upsampling is not None:
        raise BenchError(f"--upsampling {upsampling} is for spade-generator alone: leave the option out")
    return {}


@dataclass(frozen=True)
class CheckpointLayout:
    """A checkpoint that can be converted.

    Attributes:
        parts: the networks that the checkpoint holds.
        classes: number of classes where the user gives none; None where the weights tell.
        files: what each file of the checkpoint holds, for messages.
        prepare: (weights of each file, number of classes) -> the same without what belongs to no part.
        facts: (weights of the first file, the user's `--upsampling` or None) -> facts, name -> value, that
            the converted file records since the weights alone do not tell them.
    """

    parts: tuple[Part, ...]
    classes: int | None
    files: tuple[str, ...] = ("the checkpoint",)
    prepare: Callable[[list[State], int], list[State]] = lambda states, classes: states
    facts: Callable[[Mapping[str, Tensor], str | None], dict[str, str]] = no_facts
