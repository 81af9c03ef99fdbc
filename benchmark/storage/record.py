"""The record of a run: one JSON file for each (data set, segmenter, method, task, protocol, preset, seed).

The schema is `Record.model_json_schema()`. Values are fractions; an undefined one (NaN) is null in the file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from ..interfaces.errors import BenchError
from .identity import Identity
from .json_types import Facts, Part, Value, Values
from .provenance import Provenance
from .record_parts import Compared, ComponentThreshold, SegmenterQuality, Tuning
from .schema_upgrade import upgraded
from .store import canonical, write_atomically

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 2

Status = Literal["ok", "skipped", "failed"]


class Record(Part):
    """The outcome of one run.

    Attributes:
        reason: why the run was skipped or failed; None for "ok".
        metrics: aggregation ("per-image", "pooled", "per-class", "per-component") -> metric -> value.
        error_bounds: metric -> how far its pooled value may be off.
        intervals: aggregation -> metric -> 95% interval (low, high) over images.
        per_class: metric -> class -> value.
        per_image: sample key -> metric -> value.
        counts: images, images_skipped, positive_pixels, classes_scored and the like -> number.
        images_without: class -> number of test images in which the class is absent, of volumes.
        tuning: how options were chosen on held-out data; None where none was.
        compared: the sweep on the test split that the run was part of; None where there was none.
        changed: options that were set by hand to other values than the method has by itself -> value.
        caveats: sentences that name each default which was chosen on test labels.
        segmenter_quality: how well the segmenter did; None where its predictions are not known.
        components: the threshold of the metrics over components; None for tasks without these.
        runs_in_pass: number of runs that shared the segmenter's pass over the test split.
        traceback: of an error that was not foreseen.
        timings: stage -> seconds. "predict" is the segmenter's share of the pass, "score" the method's own,
            "metrics" the time that judging its scores took, beside the pass.
        peak_memory_bytes: of the process until its end, on the host.
        peak_device_bytes: on a GPU, while this method scored or the segmenter predicted for it.
    """

    schema_version: Literal[2] = 2
    identity: Identity
    status: Status
    reason: str | None = None
    provenance: Provenance
    metrics: dict[str, Values] = Field(default_factory=dict)
    error_bounds: Values = Field(default_factory=dict)
    intervals: dict[str, dict[str, tuple[Value, Value]]] = Field(default_factory=dict)
    per_class: dict[str, Values] = Field(default_factory=dict)
    per_image: dict[str, Values] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)
    images_without: dict[str, NonNegativeInt] = Field(default_factory=dict)
    tuning: Tuning | None = None
    compared: Compared | None = None
    changed: Facts = Field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    segmenter_quality: SegmenterQuality | None = None
    components: ComponentThreshold | None = None
    runs_in_pass: PositiveInt | None = None
    traceback: str | None = None
    timings: dict[str, float] = Field(default_factory=dict)
    peak_memory_bytes: NonNegativeInt | None = None
    peak_device_bytes: NonNegativeInt | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "ok" and not self.metrics:
            raise ValueError("status is 'ok' but there are no metrics")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"status is '{self.status}' but no reason is given")
        return self

    @property
    def file_name(self) -> str:
        """A readable name that ends with the identity's key, so that no two identities share it."""
        run = self.identity
        data = f"{run.dataset}-{run.variant}" if run.variant else run.dataset
        words = (data, run.segmenter, run.method, run.task.value, f"s{run.seed}")
        return "_".join([*(_slug(word) for word in words), f"{run.key}.json"])

    def save(self, folder: Path) -> Path:
        """Write the record to a file in `folder`, whole or not at all.

        A record of the same identity is replaced.

        Returns:
            The file.

        Raises:
            BenchError: the disk is full or cannot be written.
        """
        file = Path(folder) / self.file_name
        write_atomically(file, self.model_dump_json(indent=1) + "\n")
        return file

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read and validate a record, of this schema version or an older one.

        Raises:
            BenchError: the file cannot be read, a field is invalid, or the schema version is newer than
                `SCHEMA_VERSION`; names the file and the field.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise BenchError(f"record {path}: {error.strerror}") from error
        except ValueError as error:
            raise BenchError(f"record {path} is not JSON: {error}") from error
        if not isinstance(document, dict) or "schema_version" not in document:
            raise BenchError(
                f"record {path}: schema_version is missing, so this is no record; move the file elsewhere"
            )
        version = document["schema_version"]
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise BenchError(
                f"record {path}: schema_version {version} is newer than {SCHEMA_VERSION}, "
                "the newest that this segalarm reads: upgrade segalarm"
            )
        try:
            return cls.model_validate(upgraded(document))
        except ValidationError as error:
            raise BenchError(f"record {path}: {_first_problem(error)}") from error


def read_records(folder: Path) -> list[Record]:
    """All records in a folder and its subfolders, by file name; none where there is no such folder.

    Raises:
        BenchError: a record is invalid; names its file.
    """
    return [Record.load(file) for file in sorted(Path(folder).rglob("*.json"))]


def load_records(path: str | Path) -> pd.DataFrame:
    """The records of a folder, or one file's, as a data frame.

    Returns:
        One row for each record. The columns are `key`, the fields of `Identity` (configurations as JSON
        text), `status`, `reason`, `images`, and `METRIC.AGGREGATION` for each metric, as a fraction.

    Raises:
        BenchError: a record is invalid, or there is no such path.
    """
    import pandas as pd

    path = Path(path)
    if not path.exists():
        raise BenchError(f"no records at {path}: there is no such folder or file")
    records = [Record.load(path)] if path.is_file() else read_records(path)
    columns = ["key", *Identity.model_fields, "status", "reason", "images"]
    return pd.DataFrame([_row(record) for record in records], columns=None if records else columns)


def _row(record: Record) -> dict[str, Any]:
    identity = record.identity.model_dump(mode="json")
    return {
        "key": record.identity.key,
        **{name: canonical(value) if isinstance(value, dict) else value for name, value in identity.items()},
        "status": record.status,
        "reason": record.reason,
        "images": record.counts.get("images"),
        **{f"{name}.{how}": v for how, values in record.metrics.items() for name, v in values.items()},
    }


def _slug(word: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", word).strip("-.")[:60]


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the record"
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place}: {first['msg']}{more}"
