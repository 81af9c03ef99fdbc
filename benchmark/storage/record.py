"""What a run leaves: one JSON file a (data set, segmenter, method, task, protocol, preset, seed).

The schema is `Record.model_json_schema()`. Values are fractions; an undefined one (NaN) is null in the file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeInt,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import to_jsonable_python

from ..interfaces import Preset, Protocol, Task
from ..interfaces.errors import BenchError
from .store import canonical, key_of, write_atomically

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1

Status = Literal["ok", "skipped", "failed"]

Value = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: value if math.isfinite(value) else None, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
]
Values = dict[str, Value]
Facts = Annotated[dict[str, JsonValue], BeforeValidator(to_jsonable_python)]


class Part(BaseModel):
    """A part of a record. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tuned(Part):
    """A choice that was made on held-out data.

    Attributes:
        split: of the data set that is trained on.
        n_samples, samples_hash: the samples that were scored for it.
        options: option of the method, dotted where nested -> the values that were compared.
    """

    split: str
    n_samples: NonNegativeInt
    samples_hash: str
    options: Facts


class Identity(Part):
    """What makes two runs different runs: those that differ in any field never share a table row silently.

    Attributes:
        variant: what a tree that is not the release was declared to be.
        dataset_revision, samples_hash: the release, and a hash of the keys of the scored samples.
        train_dataset: whose training split the segmenter learned from; mostly `dataset` itself.
        segmenter_checkpoint: a hash of a foreign checkpoint; None where the benchmark trained the segmenter.
        segmenter_seed: where all seeds share segmenters, theirs; None where these follow the run's.
        train_segmenter: whose predictions the method was fitted on; None for `segmenter`'s own.
        method_config: the full configuration, defaults included.
        tuned: how options of `method_config` were chosen; None where nothing was.
    """

    dataset: str
    variant: str | None = None
    dataset_revision: str
    samples_hash: str
    n_samples: NonNegativeInt
    train_dataset: str
    train_variant: str | None = None
    train_samples_hash: str
    n_train_samples: NonNegativeInt
    segmenter: str
    segmenter_config: Facts
    segmenter_checkpoint: str | None = None
    segmenter_seed: int | None = None
    train_segmenter: str | None = None
    train_segmenter_config: Facts | None = None
    train_segmenter_checkpoint: str | None = None
    method: str
    method_config: Facts
    task: Task
    protocol: Protocol
    preset: Preset
    precision: str
    seed: int
    tuned: Tuned | None = None

    @property
    def key(self) -> str:
        """16 hexadecimal digits that stand for what was asked for."""
        return key_of(self.asked)

    @property
    def asked(self) -> dict[str, Any]:
        """All fields but values that the run itself chose. A later field is left out where it is unset."""
        found = self.model_dump(mode="json")
        if self.tuned is None:
            return {name: value for name, value in found.items() if name != "tuned"}
        for option in self.tuned.options:
            found["method_config"] = _without(found["method_config"], option)
        return found


class Plugin(Part):
    """Who supplied a name."""

    plugin: str
    version: str


class Git(Part):
    """The checkout that ran. `dirty`: with changes that were not committed."""

    commit: str
    dirty: bool


class Provenance(Part):
    """Where a record comes from; no part of its identity.

    Attributes:
        segalarm: the package's version.
        code_hash: of the method's code and all that it imports.
        libraries: name -> version.
        device, device_name: the torch device, and the hardware's name.
        weights: pretrained weights that were used, name -> file or "none".
    """

    method: Plugin
    dataset: Plugin
    segmenter: Plugin | None = None
    segalarm: str
    code_hash: str
    git: Git | None = None
    libraries: dict[str, str]
    python: str
    platform: str
    device: str
    device_name: str
    weights: dict[str, str] = Field(default_factory=dict)
    created: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class Record(Part):
    """The outcome of one run.

    Attributes:
        reason: why the run was skipped or failed.
        metrics: aggregation ("per-image", "pooled", "per-class", "per-component") -> metric -> value.
        error_bounds: metric -> how far its pooled value may be off.
        intervals: aggregation -> metric -> 95% interval (low, high) over images.
        per_class: metric -> class -> value.
        per_image: sample key -> metric -> value.
        counts: images, images_skipped, positive_pixels, ...
        timings: stage -> seconds. "predict" is the segmenter's share of the pass, "score" the method's own,
            "metrics" what judging its scores took, beside the pass.
        peak_memory_bytes: of the process until its end, on the host.
        peak_device_bytes: while this method scored or the segmenter predicted for it, on a GPU.
        extra: facts beyond the metrics, such as the segmenter's mIoU.
    """

    schema_version: Literal[1] = 1
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
    timings: dict[str, float] = Field(default_factory=dict)
    peak_memory_bytes: NonNegativeInt | None = None
    peak_device_bytes: NonNegativeInt | None = None
    extra: Facts = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "ok" and not self.metrics:
            raise ValueError("status is 'ok' but there are no metrics")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"status is '{self.status}' but no reason is given")
        return self

    @property
    def file_name(self) -> str:
        """Readable, and unique by the identity's key."""
        who = self.identity
        data = f"{who.dataset}-{who.variant}" if who.variant else who.dataset
        words = (data, who.segmenter, who.method, who.task.value, f"s{who.seed}")
        return "_".join([*(_slug(word) for word in words), f"{who.key}.json"])

    def save(self, folder: Path) -> Path:
        """Write the record below `folder`, whole or not at all; an older one of the same identity goes.

        Raises:
            BenchError: the disk is full or cannot be written.
        """
        file = Path(folder) / self.file_name
        write_atomically(file, self.model_dump_json(indent=1) + "\n")
        return file

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read and validate a record.

        Raises:
            BenchError: naming the file and the field at fault, or a schema version newer than this one.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise BenchError(f"record {path}: {error.strerror}") from error
        except ValueError as error:
            raise BenchError(f"record {path} is not JSON: {error}") from error
        if not isinstance(found, dict) or "schema_version" not in found:
            raise BenchError(f"record {path}: schema_version is missing, so this is no record")
        version = found["schema_version"]
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise BenchError(
                f"record {path}: schema_version {version} is newer than {SCHEMA_VERSION}, "
                "the newest that this segalarm reads: upgrade it"
            )
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise BenchError(f"record {path}: {_first(error)}") from error


def read_records(folder: Path) -> list[Record]:
    """All records below a folder, by file name; none where there is no such folder.

    Raises:
        BenchError: one of them is invalid.
    """
    return [Record.load(file) for file in sorted(Path(folder).rglob("*.json"))]


def load_records(path: str | Path) -> pd.DataFrame:
    """The records of a folder, or one file's, as a data frame.

    Returns:
        One row a record: `key`, the fields of `Identity` (configurations as JSON text), `status`, `reason`,
        `images`, and a column `METRIC.AGGREGATION` a metric, as fractions.

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


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration with nested keys joined by dots."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _without(config: Mapping[str, Any], option: str) -> dict[str, Any]:
    """A configuration less one option, dotted where nested."""
    first, _, rest = option.partition(".")
    return {
        name: _without(value, rest) if name == first else value
        for name, value in config.items()
        if name != first or rest
    }


def _slug(word: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", word).strip("-.")[:60]


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the record"
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place}: {first['msg']}{more}"
