"""The records of a group's jobs: what is known of every job, and what a failure leaves."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from ..interfaces.errors import BenchError
from ..planning.jobs import Job
from ..storage.environment import peak_memory, provenance, supplier
from ..storage.record import Record
from ..storage.record_parts import Compared
from .failure_reason import reason_of
from .fitting import Fitting

LESS_MEMORY = (
    "Choose a smaller --preset, or a smaller batch_size or crop with --set; what was finished is kept, and "
    "unfinished training goes on from its last checkpoint if you keep its options"
)


def job_record(
    fitting: Fitting,
    job: Job,
    status: Literal["ok", "skipped", "failed"],
    *,
    weights: Mapping[str, str] | None = None,
    timings: Mapping[str, float] | None = None,
    **fields: Any,
) -> Record:
    """The record of a job.

    Args:
        fitting: of the job's group; knows the device, the segmenter's weights and the shared timings.
        weights: pretrained weights that went into the method, name -> file or "none".
        timings: stage -> seconds, of this job alone.
        fields: other fields of `Record`.
    """
    group = fitting.group
    compared = {option: list(values) for option, values in job.compared.items()}
    return Record(
        identity=job.identity,
        status=status,
        provenance=provenance(
            method=supplier(job.entry),
            dataset=supplier(group.data.entry),
            segmenter=supplier(group.segmenter.entry),
            code=job.code,
            device=fitting.device,
            weights={**fitting.weights, **(weights or {})},
        ),
        compared=Compared(split="test", options=compared) if compared else None,
        changed=dict(job.changed),
        caveats=_caveats(job),
        timings={**fitting.timings, **(timings or {})},
        peak_memory_bytes=peak_memory(),
        **fields,
    )


def _caveats(job: Job) -> tuple[str, ...]:
    """Which options were chosen on test labels, and where; an option that was tuned anew owes nothing."""
    tuned = job.identity.tuned.options if job.identity.tuned else ()
    notes = [
        option.chosen_on_test
        for option in job.method.options()
        if option.chosen_on_test and option.name not in tuned
    ]
    return tuple(dict.fromkeys(notes))


class Failure(NamedTuple):
    """Why a job failed.

    Attributes:
        reason: one or a few sentences.
        traceback: of an error that was not foreseen, else None.
    """

    reason: str
    traceback: str | None


def failure_of(error: Exception, packages: Collection[str] = ()) -> Failure:
    """What a record says of an error.

    Args:
        packages: top-level packages of the plugins at work. The reason names the line of theirs that an
            unforeseen error comes from.
    """
    if is_out_of_memory(error):
        return Failure(f"out of memory ({error}). {LESS_MEMORY}", None)
    if isinstance(error, BenchError):
        return Failure(str(error), None)
    return Failure(reason_of(error, packages), "".join(traceback.format_exception(error)))


def is_out_of_memory(error: Exception) -> bool:
    """Whether host or device memory ran out; on the CPU torch raises a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def save_failure(record: Record, folder: Path) -> tuple[Path | None, str]:
    """Write the record of a failed job, unless an earlier run has finished the same job.

    Returns:
        The file, None where nothing is written; and what to add to the reason that the user is shown.
    """
    if is_finished(folder / record.file_name):
        return None, ". The record of an earlier run is left as it was"
    try:
        return record.save(folder), ""
    except BenchError as unwritable:
        same = str(unwritable) == record.reason
        return None, "" if same else f". Its record is not written: {unwritable}"


def is_finished(file: Path) -> bool:
    """Whether a file holds a record with metrics."""
    try:
        return Record.load(file).status == "ok"
    except BenchError:  # absent, damaged or of a newer schema
        return False


def note_comparison(job: Job, file: Path) -> None:
    """Note in a cached record the values that this run compares the record with on the test split."""
    if not job.compared:
        return
    record = Record.load(file)
    earlier: Mapping[str, Any] = record.compared.options if record.compared else {}
    options = dict(earlier)
    for option, values in job.compared.items():
        noted = list(earlier.get(option, []))
        options[option] = [*noted, *(value for value in values if value not in noted)]
    if options != earlier:
        compared = Compared(split="test", options=options)
        record.model_copy(update={"compared": compared}).save(file.parent)
