"""The training loop of every network in the project, with one optimizer or several that take turns."""

from __future__ import annotations

import os
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
from .random_state import seed_everything
from .resume import ResumableState
from .schedules import Schedule, constant

Batch = TypeVar("Batch")

LOG_EVERY = 20
"""Steps between two entries of the losses in TensorBoard's log."""


@dataclass(frozen=True)
class Objective(Generic[Batch]):
    """An optimizer and the losses that it minimises. The objectives of a training take turns on every batch.

    Attributes:
        optimizer: The optimizer of the parameters that this objective moves.
        losses: `losses(batch, step)` returns named scalar losses, whose sum is minimised. Gradients that
            reach the parameters of other objectives are dropped.
        schedule: Factor on the optimizer's learning rates at every step.
        clip: Largest norm of the gradient, to which a larger gradient is scaled down; None for no limit.
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
    """Train for `steps` steps, or go on from the checkpoint that a killed training of this name has left.

    On the CPU a training that was killed and started again ends with exactly the weights of an undisturbed
    one, provided that `batches` is a pure function of its argument and that the modules are built alike.

    Args:
        name: Name of the checkpoint's folder below `context.workspace`, and title of the progress bar.
        modules: Every module whose state matters, by name. The modules are moved to the device and put into
            training mode.
        objectives: At least one objective, over the parameters of `modules`.
        batches: `batches(n)` makes the n-th batch in a worker process; step s uses the batches
            n = s * accumulate, ..., s * accumulate + accumulate - 1. A batch is a tensor, an array, or a
            mapping, list or tuple of these; arrays become tensors on the device.
        steps: Number of updates of every objective.
        context: Gives the device, the precision, the seed, the workspace and the progress bar.
        accumulate: Number of batches whose gradients are averaged for one update.
        workers: Number of processes that make batches ahead; 0 for none, None for half of the CPU cores,
            eight at the most.
        checkpoint_seconds: Seconds between two checkpoints.
        checkpoint_steps: Steps between two checkpoints. Replaces `checkpoint_seconds`.

    Raises:
        BenchError: A loss is not finite, the checkpoint is damaged or cannot be written, or the device does
            not support the precision.
    """
    fabric = _fabric(context)
    for module in modules.values():
        fabric.to_device(module)
        module.train()
    seed_everything(context.seed)
    # Losses call the modules themselves: on one device Fabric's wrapper adds nothing but autocast.
    wrapped: list[Any] = [fabric.setup_optimizers(objective.optimizer) for objective in objectives]
    rates = [[float(group["lr"]) for group in objective.optimizer.param_groups] for objective in objectives]
    file = context.workspace / name / "checkpoint.pt"
    state = ResumableState(file, modules, [objective.optimizer for objective in objectives], fabric, steps)
    start = state.restore()
    log = _scalar_log(context.workspace / name) if steps - start > LOG_EVERY else None
    made_ahead = ahead(batches, steps * accumulate, _worker_count(workers), start * accumulate)
    saved_at = time.monotonic()
    for step in context.track(range(start, steps), name, steps - start):
        step_batches = [_to_device(next(made_ahead), fabric.device) for _ in range(accumulate)]
        last_losses: dict[str, Tensor] = {}
        for objective, optimizer, base_rates in zip(objectives, wrapped, rates, strict=True):
            for group, rate in zip(objective.optimizer.param_groups, base_rates, strict=True):
                group["lr"] = rate * objective.schedule(step)
            optimizer.zero_grad()
            for batch in step_batches:
                with fabric.autocast():
                    losses = objective.losses(batch, step)
                    total = torch.stack([value.float() for value in losses.values()]).sum()
                _check_finite(name, step, total, losses, context.precision)
                fabric.backward(total / accumulate)
                last_losses.update({key: value.detach() for key, value in losses.items()})
            if objective.clip:
                _clip(fabric, objective.optimizer, objective.clip)
            optimizer.step()
        if log is not None and step % LOG_EVERY == 0:
            for key, value in last_losses.items():
                log.add_scalar(key, float(value), step)
        due = time.monotonic() - saved_at >= checkpoint_seconds
        if checkpoint_steps is not None:
            due = (step + 1) % checkpoint_steps == 0
        if due or step + 1 == steps:
            state.keep(step + 1)
            saved_at = time.monotonic()
    if log is not None:
        log.close()


def _fabric(context: Context) -> Fabric:
    device = torch.device(context.device)
    devices: Any = [device.index or 0] if device.type == "cuda" else 1
    try:
        return Fabric(accelerator=device.type, devices=devices, precision=context.precision)  # type: ignore[arg-type]
    except (ValueError, RuntimeError) as error:
        raise BenchError(f"device {context.device} with precision {context.precision}: {error}") from error


def _clip(fabric: Fabric, optimizer: Optimizer, largest_norm: float) -> None:
    """Scale the gradient of the optimizer's parameters down to the largest norm."""
    # Under 16-bit precision the gradients are multiplied by a scale, which must be undone first.
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    if scaler is not None:
        scaler.unscale_(optimizer)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    nn.utils.clip_grad_norm_(parameters, largest_norm)


def _check_finite(name: str, step: int, total: Tensor, losses: Mapping[str, Tensor], precision: str) -> None:
    if bool(torch.isfinite(total)):
        return
    values = ", ".join(f"{key} {value.item():.4g}" for key, value in losses.items())
    cure = "a lower learning rate" + ("" if precision.startswith("32") else ", or precision 32")
    raise BenchError(f"training {name}: the loss is not finite at step {step} ({values}). Try {cure}")


def _worker_count(workers: int | None) -> int:
    if workers is not None:
        return workers
    return max(1, min(8, (os.cpu_count() or 1) // 2))


def _to_device(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, np.ndarray):
        return torch.from_numpy(batch).to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: _to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return type(batch)(_to_device(value, device) for value in batch)
    return batch


def _scalar_log(folder: Path) -> Any:
    """A TensorBoard writer, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
