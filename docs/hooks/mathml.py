"""Writes the equations of a page as MathML, which browsers draw without a script or a font from a server."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

EQUATION = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<open>[(\[])(?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
"""What the Markdown extension arithmatex makes of `$...$` and `$$...$$`."""


def on_page_content(text: str, **context: Any) -> str:
    """Replace every equation of a page; MkDocs calls this hook with the page's HTML."""
    return EQUATION.sub(_mathml, text)


def _mathml(equation: re.Match[str]) -> str:
    latex = html.unescape(equation["latex"]).strip()
    return convert(latex, display="block" if equation["open"] == "[" else "inline")
