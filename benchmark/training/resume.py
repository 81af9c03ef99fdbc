"""Keeps the state of an unfinished training on disk, so that a killed training is resumed exactly."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Optimizer

from ..interfaces.errors import BenchError
from .random_state import random_state, set_random_state


@dataclass(frozen=True)
class ResumableState:
    """Everything that the next step of a training depends on.

    Attributes:
        file: The file that holds the state between two processes.
        modules: The modules whose weights and buffers are trained or used.
        optimizers: The optimizers, in a fixed order.
        fabric: Holds the scale of the gradients under 16-bit precision.
        steps: Length of the training; the state of a training of another length is not resumed.
    """

    file: Path
    modules: Mapping[str, nn.Module]
    optimizers: Sequence[Optimizer]
    fabric: Fabric
    steps: int

    def keep(self, step: int) -> None:
        """Write the state after `step` steps. A kill during the writing leaves the previous file whole.

        Raises:
            BenchError: The file cannot be written.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.file.with_suffix(f".{os.getpid()}.tmp")
        state = {
            "step": step,
            "steps": self.steps,
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "precision": self.fabric.strategy.precision.state_dict(),
            "random": random_state(),
        }
        try:
            torch.save(state, scratch)
            os.replace(scratch, self.file)  # noqa: PTH105 - atomic, as Path.replace is
        except (OSError, RuntimeError) as error:
            scratch.unlink(missing_ok=True)
            raise BenchError(f"checkpoint {self.file} cannot be written: {error}") from error

    def restore(self) -> int:
        """Load the kept state and return its number of steps; 0, with nothing loaded, where none is kept.

        Raises:
            BenchError: The file is damaged, or belongs to other modules or optimizers.
        """
        if not self.file.exists():
            return 0
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            if state["steps"] != self.steps:
                return 0
            for name, module in self.modules.items():
                module.load_state_dict(state["modules"][name])
            for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            set_random_state(state["random"])
        except Exception as error:  # torch raises many kinds for a damaged file
            raise BenchError(
                f"checkpoint {self.file} does not fit the training or is damaged; delete it to start anew"
            ) from error
        return int(state["step"])
