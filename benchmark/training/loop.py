"""The one training loop, for every network of the project: one optimizer or several that take turns."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from ..data.loading import ahead
from ..interfaces import Context
from ..interfaces.errors import BenchError

Batch = TypeVar("Batch")
Schedule = Callable[[int], float]
"""From the step to the factor on the learning rate."""

LOG_EVERY = 20


def constant(step: int) -> float:
    """The learning rate as it is."""
    return 1.0


def poly(steps: int, power: float = 0.9, warmup: int = 0) -> Schedule:
    """(1 - step / steps) ** power, after a linear rise over `warmup` steps."""

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return float(rise * max(0.0, 1 - step / steps) ** power)

    return factor


@dataclass(frozen=True)
class Objective(Generic[Batch]):
    """An optimizer and what it minimises. Objectives of one training take turns on each batch.

    Attributes:
        optimizer: of the parameters that this objective moves.
        losses: `losses(batch, step)` gives named scalars, whose sum is minimised. Gradients that reach
            other objectives' parameters are dropped.
        schedule: factor on the optimizer's learning rates.
        clip: the largest norm of the gradient; None for any.
    """

    optimizer: Optimizer
    losses: Callable[[Batch, int], Mapping[str, Tensor]]
    schedule: Schedule = constant
    clip: float | None = None


def train(
    name: str,
    modules: Mapping[str, nn.Module],
    objectives: Sequence[Objective[Batch]],
    batches: Callable[[int], Any],
    steps: int,
    context: Context,
    *,
    accumulate: int = 1,
    workers: int | None = None,
    checkpoint_seconds: float = 60.0,
    checkpoint_steps: int | None = None,
) -> None:
    """Train for `steps` steps; go on from the checkpoint that a killed call of this name has left.

    On the CPU a run that was killed and called again ends with the very weights of one that was not. For
    that `batches` must be a pure function of its argument, and the modules built as before.

    Args:
        name: of the checkpoint's folder below `context.workspace`, and of the progress bar.
        modules: every module whose state matters; moved to the device, put into training mode.
        objectives: at least one; built over the parameters of `modules`.
        batches: `batches(n)` gives the n-th batch, n = step * accumulate + 0..accumulate-1; runs in workers.
            numpy arrays in it become tensors on the device.
        steps: number of updates of each objective.
        context: gives device, precision, seed, workspace and progress.
        accumulate: batches whose gradients are averaged for one update.
        workers: processes that make batches ahead; None chooses by the machine, 0 for none.
        checkpoint_seconds: time between two checkpoints.
        checkpoint_steps: steps between two checkpoints, in place of the time.

    Raises:
        BenchError: a loss is not finite; the checkpoint is damaged.
    """
    fabric = _fabric(context)
    for module in modules.values():
        fabric.to_device(module)
        module.train()
    seed_everything(context.seed)
    # Losses call the bare modules: on one device Fabric's wrapper adds nothing that autocast does not.
    optimizers: list[Any] = [fabric.setup_optimizers(objective.optimizer) for objective in objectives]
    rates = [[float(group["lr"]) for group in objective.optimizer.param_groups] for objective in objectives]
    keeper = _Checkpoint(context.workspace / name / "checkpoint.pt", modules, objectives, fabric, steps)
    start = keeper.restore()
    log = _scalars(context.workspace / name) if steps - start > LOG_EVERY else None
    made = ahead(batches, steps * accumulate, _workers(workers), start * accumulate)
    saved = time.monotonic()
    for step in context.track(range(start, steps), name, steps - start):
        group = [_to(next(made), fabric.device) for _ in range(accumulate)]
        values: dict[str, Tensor] = {}
        for objective, optimizer, base in zip(objectives, optimizers, rates, strict=True):
            for parameters, rate in zip(objective.optimizer.param_groups, base, strict=True):
                parameters["lr"] = rate * objective.schedule(step)
            optimizer.zero_grad()
            for batch in group:
                with fabric.autocast():
                    losses = objective.losses(batch, step)
                    total = torch.stack([value.float() for value in losses.values()]).sum()
                _check_finite(name, step, total, losses, context.precision)
                fabric.backward(total / accumulate)
                values.update({key: value.detach() for key, value in losses.items()})
            if objective.clip is not None:
                _clip(fabric, objective, optimizer)
            optimizer.step()
        if log is not None and step % LOG_EVERY == 0:
            for key, value in values.items():
                log.add_scalar(key, float(value), step)
        due = time.monotonic() - saved >= checkpoint_seconds
        if checkpoint_steps is not None:
            due = (step + 1) % checkpoint_steps == 0
        if due or step + 1 == steps:
            keeper.keep(step + 1)
            saved = time.monotonic()
    if log is not None:
        log.close()


def seed_everything(seed: int) -> None:
    """Seed python's, numpy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - third-party code draws from the global generator
    torch.manual_seed(seed)


@dataclass(frozen=True)
class _Checkpoint:
    """What a killed training goes on from."""

    file: Path
    modules: Mapping[str, nn.Module]
    objectives: Sequence[Objective[Any]]
    fabric: Fabric
    steps: int

    def keep(self, step: int) -> None:
        """Write the state after `step` steps, whole or not at all."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.file.with_suffix(f".{os.getpid()}.tmp")
        state = {
            "step": step,
            "steps": self.steps,
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": [objective.optimizer.state_dict() for objective in self.objectives],
            "precision": self.fabric.strategy.precision.state_dict(),
            "random": _random_state(),
        }
        try:
            torch.save(state, scratch)
            os.replace(scratch, self.file)  # noqa: PTH105 - atomic, as Path.replace is
        except (OSError, RuntimeError) as error:
            scratch.unlink(missing_ok=True)
            raise BenchError(f"checkpoint {self.file} cannot be written: {error}") from error

    def restore(self) -> int:
        """Take up the kept state; the number of steps that it has seen, 0 where there is none."""
        if not self.file.exists():
            return 0
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            if state["steps"] != self.steps:
                return 0
            for name, module in self.modules.items():
                module.load_state_dict(state["modules"][name])
            for objective, kept in zip(self.objectives, state["optimizers"], strict=True):
                objective.optimizer.load_state_dict(kept)
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            _set_random_state(state["random"])
        except Exception as error:  # torch raises many kinds for a damaged file
            raise BenchError(
                f"checkpoint {self.file} does not fit or is damaged; delete it to start anew"
            ) from error
        return int(state["step"])


def _random_state() -> dict[str, Any]:
    numpy_state: Any = np.random.get_state()  # noqa: NPY002
    kind, keys, position, has_gauss, cached = numpy_state
    return {
        "python": random.getstate(),
        # As a tensor: `weights_only=True` reads no numpy array.
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: Mapping[str, Any]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _fabric(context: Context) -> Fabric:
    device = torch.device(context.device)
    devices: Any = [device.index or 0] if device.type == "cuda" else 1
    try:
        return Fabric(accelerator=device.type, devices=devices, precision=context.precision)  # type: ignore[arg-type]
    except (ValueError, RuntimeError) as error:
        raise BenchError(f"device {context.device} with precision {context.precision}: {error}") from error


def _clip(fabric: Fabric, objective: Objective[Any], optimizer: Any) -> None:
    # Under 16-bit precision the gradients are scaled: undo that before measuring them.
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    if scaler is not None:
        scaler.unscale_(objective.optimizer)
    parameters = [p for group in objective.optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(parameters, float(objective.clip or math.inf))


def _check_finite(name: str, step: int, total: Tensor, losses: Mapping[str, Tensor], precision: str) -> None:
    if bool(torch.isfinite(total)):
        return
    values = ", ".join(f"{key} {value.item():.4g}" for key, value in losses.items())
    cure = "a lower learning rate" + ("" if precision.startswith("32") else ", or precision 32")
    raise BenchError(f"training {name}: the loss is not finite at step {step} ({values}). Try {cure}")


def _workers(asked: int | None) -> int:
    if asked is not None:
        return asked
    return max(1, min(8, (os.cpu_count() or 1) // 2))


def _to(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, np.ndarray):
        return torch.from_numpy(batch).to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: _to(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return type(batch)(_to(value, device) for value in batch)
    return batch


def _scalars(folder: Path) -> Any:
    """A TensorBoard writer where TensorBoard is installed, else None."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
