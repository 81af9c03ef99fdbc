"""Prints a built table: github, latex, html, csv, json."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Sequence

from tabulate import tabulate

from ...benchmark.interfaces.errors import UnknownNameError
from .content import Block, Cell, Table

FORMATS = ("github", "latex", "html", "csv", "json")
_LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--"}
_LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


def render(table: Table, style: str = "github") -> str:
    """A table as text.

    Raises:
        UnknownNameError: no such format.
    """
    if style not in FORMATS:
        raise UnknownNameError("format", style, FORMATS)
    if style == "csv":
        return str(table.frame().to_csv(index=False))
    if style == "json":
        rows = table.frame().to_dict("records")
        return json.dumps([{str(k): _plain(v) for k, v in row.items()} for row in rows], indent=1)
    escape, bold = _marks(style)
    parts = [_heading(f"{table.spec.name}: {table.spec.title}", style, escape)]
    parts += [_grid(table, block, style, escape, bold) for block in table.blocks]
    parts += [escape(hint) for hint in table.hints]
    return "\n\n".join(parts)


def _plain(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _marks(style: str) -> tuple[Callable[[str], str], Callable[[str], str]]:
    if style == "latex":
        return _latex, lambda text: f"\\textbf{{{text}}}"
    if style == "html":
        return html.escape, lambda text: f"<b>{text}</b>"
    return lambda text: text.replace("|", "\\|"), lambda text: f"**{text}**"


def _heading(text: str, style: str, escape: Callable[[str], str]) -> str:
    return {"github": "## {}", "latex": "\\paragraph{{{}}}", "html": "<h2>{}</h2>"}[style].format(
        escape(text)
    )


def _grid(
    table: Table, block: Block, style: str, escape: Callable[[str], str], bold: Callable[[str], str]
) -> str:
    notes: list[str] = []
    rows = []
    own = [column.metric.decimals for column in block.columns]
    printed = [table.spec.decimals if decimals is None else decimals for decimals in own]
    for line in block.lines:
        label = escape(line.label) + _references(line.notes, notes)
        cells = [
            _cell(cell, decimals, escape, bold) + _references(cell.notes, notes)
            for cell, decimals in zip(line.cells, printed, strict=True)
        ]
        rows.append([label, *cells])
    sources = {column.source for column in block.columns}
    heads = [
        f"{column.label} ({column.source})" if len(sources) > 1 else column.label for column in block.columns
    ]
    corner = "Class" if block.by_class else table.spec.row_title
    header = [escape(text) for text in (corner, *heads)]
    if table.spec.transposed or block.by_class:
        turned = list(zip(header, *rows, strict=True))
        header, rows = list(turned[0]), [list(row) for row in turned[1:]]
    kind = {"github": "github", "latex": "latex_raw", "html": "unsafehtml"}[style]
    grid = tabulate(rows, headers=header, tablefmt=kind, disable_numparse=True)
    feet = [f"[{number}] {escape(note)}" for number, note in enumerate(notes, 1)]
    if style == "html":
        feet = [f"<p>{foot}</p>" for foot in feet]
        return "\n".join([f"<p>{escape(block.caption)}</p>", grid, *feet])
    if feet and style == "github":
        feet = ["", "  \n".join(feet)]
    return "\n".join([block.caption if style == "github" else escape(block.caption), "", grid, *feet])


def _references(found: Sequence[str], notes: list[str]) -> str:
    """Footnote marks; a note that was made before keeps its number."""
    marks = ""
    for note in found:
        if note not in notes:
            notes.append(note)
        marks += f" [{notes.index(note) + 1}]"
    return marks


def _cell(cell: Cell, decimals: int, escape: Callable[[str], str], bold: Callable[[str], str]) -> str:
    if cell.value is None:
        return "" if cell.state == "empty" else cell.state
    text = f"{cell.value:.{decimals}f}"
    if cell.std is not None:
        text = f"{text} ± {cell.std:.{decimals}f} (n={cell.n})"
    return bold(escape(text)) if cell.best else escape(text)
