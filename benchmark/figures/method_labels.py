"""The labels of methods in figures."""

from __future__ import annotations

from collections.abc import Sequence

from ..run.fitting import FittedJob


def method_labels(jobs: Sequence[FittedJob]) -> dict[int, str]:
    """The label of each job, by `id`: its method, with the options that tell jobs of one task apart."""
    labels = {}
    for fitted in jobs:
        run = fitted.job.identity
        others = [other.job.identity for other in jobs]
        same = [other for other in others if (other.method, other.task) == (run.method, run.task)]
        own = run.method_config
        differing = [key for key in own if any(other.method_config.get(key) != own[key] for other in same)]
        options = ", ".join(f"{key}={own[key]}" for key in differing)
        labels[id(fitted)] = f"{run.method} ({options})" if options else run.method
    return labels
