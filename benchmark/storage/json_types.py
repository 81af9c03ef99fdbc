"""The types that the fields of a record are made of: immutable, and written to JSON without loss."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue, PlainSerializer, WithJsonSchema
from pydantic_core import to_jsonable_python

Value = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: value if math.isfinite(value) else None, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
]
"""A number that may be undefined: NaN in Python, null in JSON, which has no NaN."""

Values = dict[str, Value]

Facts = Annotated[dict[str, JsonValue], BeforeValidator(to_jsonable_python)]
"""A mapping that holds whatever JSON can hold. Other values (paths, enumerations) are converted."""


class Part(BaseModel):
    """A part of a record. An unknown key is an error, so that no misspelt fact is lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)
