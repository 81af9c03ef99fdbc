"""The reason that users read where a plugin raised an error that was not foreseen."""

from __future__ import annotations

import traceback
from collections.abc import Collection

OF_WORKER = "Original Traceback (most recent call last):"
"""A line of the message by which torch passes on an error of a worker process."""
PARTS = ("logits", "probabilities", "members")
"""Attributes of a `Prediction` that are None unless a method asks for them."""


def reason_of(error: Exception, packages: Collection[str] = ()) -> str:
    """Say in one line what went wrong, and where in a plugin's code.

    Args:
        packages: top-level packages of the plugins at work. If the error passed through their code, the
            reason names the innermost line of theirs.
    """
    text = str(error)
    if OF_WORKER in text:
        return f"{text.strip().splitlines()[-1]} (in a worker process that reads samples)"
    reason = f"{type(error).__name__}: {text}"
    frame = _innermost(error, packages)
    if frame is None:
        return reason
    hint = _hint(text, frame.line or "")
    return f"{reason} ({frame.filename}:{frame.lineno}){hint}"


def _innermost(error: Exception, packages: Collection[str]) -> traceback.FrameSummary | None:
    """The innermost frame of the plugins' code; None where the error did not pass through it."""
    innermost = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).partition(".")[0] in packages:
            innermost = traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)
    return innermost


def _hint(text: str, line: str) -> str:
    """What to do where a part of a prediction is None; empty where the error is about something else."""
    if "NoneType" not in text:
        return ""
    for part in PARTS:
        if f".{part}" in line:
            return f". `prediction.{part}` is None: ask for it in `needs()`"
    return ". A part of a prediction is None unless `needs()` asks for it"
