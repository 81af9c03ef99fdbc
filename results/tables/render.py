"""Prints a table: github (Markdown), latex, html, csv or json."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from ...benchmark.interfaces.errors import UnknownNameError
from .content import Cell, Grid, Row, Table

_LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--"}
_LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


@dataclass(frozen=True)
class Markup:
    """How a format for people writes text.

    Attributes:
        grid: name of the format of grids in the library tabulate.
        heading, paragraph, bold: templates with one place for escaped text.
        escape: escapes the characters of a text that are special in the format.
    """

    grid: str
    heading: str
    paragraph: str
    bold: str
    escape: Callable[[str], str]


MARKUP = {
    "github": Markup("github", "## {}", "{}", "**{}**", lambda text: text.replace("|", "\\|")),
    "latex": Markup(
        "latex_raw",
        "\\paragraph{{{}}}",
        "{}",
        "\\textbf{{{}}}",
        lambda text: "".join(_LATEX.get(sign, sign) for sign in text),
    ),
    "html": Markup("unsafehtml", "<h2>{}</h2>", "<p>{}</p>", "<b>{}</b>", html.escape),
}
FORMATS = (*MARKUP, "csv", "json")


def render(table: Table, style: str = "github") -> str:
    """A table as text in one of `FORMATS`. CSV and JSON hold one entry for each cell.

    Raises:
        UnknownNameError: no such format.
    """
    if style not in FORMATS:
        raise UnknownNameError("format", style, FORMATS)
    if style == "csv":
        return str(table.frame().to_csv(index=False))
    if style == "json":
        cells = table.frame().to_dict("records")
        return json.dumps(
            [{str(name): _or_null(value) for name, value in cell.items()} for cell in cells], indent=1
        )
    markup = MARKUP[style]
    heading = markup.heading.format(markup.escape(f"{table.spec.name}: {table.spec.title}"))
    grids = [_grid(table, grid, markup) for grid in table.grids]
    return "\n\n".join([heading, *grids, *(markup.escape(hint) for hint in table.hints)])


def _or_null(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _grid(table: Table, grid: Grid, markup: Markup) -> str:
    notes: list[str] = []
    rows = [_row(row, _digits(table, grid), markup, notes) for row in grid.rows]
    header = [markup.escape(text) for text in _header(table, grid)]
    if table.spec.transposed or grid.by_class:
        header, *rows = [list(line) for line in zip(header, *rows, strict=True)]
    # The matrix ends the lines of its caption in Markdown.
    markdown = markup.grid == "github"
    caption = grid.caption if markdown else markup.paragraph.format(markup.escape(grid.caption))
    cells = tabulate(rows, headers=header, tablefmt=markup.grid, disable_numparse=True)
    footnotes = [
        markup.paragraph.format(f"[{number}] {markup.escape(note)}") for number, note in enumerate(notes, 1)
    ]
    if markup.grid == "unsafehtml":
        return "\n".join([caption, cells, *footnotes])
    if footnotes and markdown:
        footnotes = ["", "  \n".join(footnotes)]
    return "\n".join([caption, "", cells, *footnotes])


def _digits(table: Table, grid: Grid) -> list[int]:
    return [column.digits(table.spec.decimals) for column in grid.columns]


def _header(table: Table, grid: Grid) -> list[str]:
    """The title of the rows, then of each column: the class or the metric, with the source where both are."""
    sources = {column.source for column in grid.columns}
    titles = ["Class" if grid.by_class else table.spec.row_title]
    for column in grid.columns:
        title = column.cls or column.heading
        titles.append(f"{title} ({column.source})" if len(sources) > 1 else title)
    return titles


def _row(row: Row, digits: Sequence[int], markup: Markup, notes: list[str]) -> list[str]:
    """The label and the cells of a row. Its footnotes are added to `notes`."""
    return [
        markup.escape(row.label) + _references(row.notes, notes),
        *(
            _cell(cell, decimals, markup) + _references(cell.notes, notes)
            for cell, decimals in zip(row.cells, digits, strict=True)
        ),
    ]


def _references(own: Sequence[str], notes: list[str]) -> str:
    """References to footnotes, such as " [1] [3]". A footnote that `notes` holds already keeps its number."""
    references = ""
    for note in own:
        if note not in notes:
            notes.append(note)
        references += f" [{notes.index(note) + 1}]"
    return references


def _cell(cell: Cell, decimals: int, markup: Markup) -> str:
    if cell.value is None:
        return "" if cell.state == "empty" else cell.state
    text = f"{cell.value:.{decimals}f}"
    if cell.std is not None:
        text = f"{text} ± {cell.std:.{decimals}f} (n={cell.n})"
    text = markup.escape(text)
    return markup.bold.format(text) if cell.best else text
