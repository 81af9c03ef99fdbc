"""Schedules: the factor by which the learning rate is multiplied at every step of a training."""

from __future__ import annotations

from collections.abc import Callable

Schedule = Callable[[int], float]
"""From the number of the step, counted from 0, to the factor on the learning rate."""


def constant(step: int) -> float:
    """Leave the learning rate as it is: the factor is 1 at every step."""
    return 1.0


def poly(steps: int, power: float = 0.9, warmup: int = 0) -> Schedule:
    """Make the polynomial schedule (1 - step / steps) ** power.

    Args:
        steps: The step at which the factor reaches 0.
        power: Exponent of the fall; 0 keeps the factor at 1 until `steps`.
        warmup: Number of first steps over which the factor also rises linearly; 0 for none.
    """

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return float(rise * max(0.0, 1 - step / steps) ** power)

    return factor
