"""Brings the JSON of records that older versions wrote into today's schema, without loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXTRA_FIELDS = {"segmenter": "segmenter_quality"} | {
    name: name
    for name in ("tuning", "compared", "changed", "caveats", "runs_in_pass", "components", "traceback")
}
"""Key of `extra` in version 1 -> field of a record since version 2."""

WITHOUT = "without "
"""In version 1, `counts` held the numbers of `images_without` under this prefix and the class."""


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a record in the schema of version 2.

    Args:
        document: the JSON of a record of any version. Whatever does not have the form of its version is left
            as it is, for the validation of the record to name.
    """
    fields = dict(document)
    if fields.get("schema_version") != 1:
        return fields
    fields["schema_version"] = 2
    extra = fields.get("extra")
    if isinstance(extra, dict):
        known = {EXTRA_FIELDS[name]: value for name, value in extra.items() if name in EXTRA_FIELDS}
        if isinstance(known.get("tuning"), dict):
            known["tuning"] = _tuning(known["tuning"])
        del fields["extra"]
        unknown = {name: value for name, value in extra.items() if name not in EXTRA_FIELDS}
        fields |= known | ({"extra": unknown} if unknown else {})
    counts = fields.get("counts")
    if isinstance(counts, dict):
        fields["images_without"] = {
            name.removeprefix(WITHOUT): count for name, count in counts.items() if name.startswith(WITHOUT)
        }
        fields["counts"] = {name: count for name, count in counts.items() if not name.startswith(WITHOUT)}
    return fields


def _tuning(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """In version 1, a trial held the value of the metric among its options, under the metric's name."""
    metric = tuning.get("metric")
    trials = [
        {
            "options": {option: value for option, value in trial.items() if option != metric},
            "value": trial.get(metric),
        }
        if isinstance(trial, dict)
        else trial
        for trial in tuning.get("trials", ())
    ]
    return {**tuning, "trials": trials}
