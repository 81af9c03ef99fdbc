"""The choice of test samples to draw."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.selection import Slice
from ..interfaces import Sample, Task
from ..interfaces.errors import BenchError
from ..planning.jobs import Group

DEFAULT_COUNT = 3
"""Samples that are drawn where none is named."""


def chosen_samples(group: Group, keys: Sequence[str]) -> Sequence[Sample]:
    """The test samples with these keys. Without keys, a few samples.

    The few are the samples with the most anomalous pixels where the group has the task anomaly, otherwise the
    first samples of the split.

    Raises:
        BenchError: the test split has no sample with one of the keys.
    """
    samples = group.data.test
    if keys:
        rows = {samples[row].key: row for row in range(len(samples))}
        unknown = [key for key in keys if key not in rows]
        if unknown:
            examples = ", ".join(list(rows)[:3])
            name = group.data.dataset.info.name
            raise BenchError(f"{name} has no test sample '{unknown[0]}'; keys look like {examples}")
        return Slice(samples, [rows[key] for key in keys])

    # Reading the label of every sample takes long: only anomalies are worth that.
    if all(job.identity.task is not Task.ANOMALY for job in group.jobs):
        return Slice(samples, range(min(DEFAULT_COUNT, len(samples))))

    def anomalous_pixels(row: int) -> int:
        anomaly = samples[row].truth.anomaly
        return 0 if anomaly is None else int(anomaly.sum())

    by_size = sorted(range(len(samples)), key=anomalous_pixels, reverse=True)
    return Slice(samples, sorted(by_size[:DEFAULT_COUNT]))
