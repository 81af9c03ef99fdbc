"""The progress of long work: a bar on a terminal, a line every half minute where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
LINE_EVERY = 30.0
"""Seconds between two lines."""


def track(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    """Yield the items, and show on standard error how many are done and how much time is left.

    Args:
        items: a step of the work each.
        description: what is done, for people.
        total: the number of items; None where it is unknown.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        yield from _bar(items, description, total, console)
    else:
        yield from _lines(items, description, total, console)


def _bar(items: Iterable[T], description: str, total: int | None, console: Console) -> Iterator[T]:
    left = (TextColumn("left"), TimeRemainingColumn(), TextColumn("elapsed"), TimeElapsedColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *left)
    with Progress(*columns, console=console) as progress:
        yield from progress.track(items, total, description=description)


def _lines(items: Iterable[T], description: str, total: int | None, console: Console) -> Iterator[T]:
    start = shown = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - shown >= LINE_EVERY:
            shown = now
            rest = ""
            if total:
                seconds = round((now - start) / done * (total - done))
                rest = f" of {total}, {timedelta(seconds=seconds)} left"
            console.print(f"{description}: {done}{rest}", highlight=False)
