"""Shows mkdocstrings the package by its name: the repository's root is the package."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def on_startup(**context: Any) -> None:
    """Make `.links/segalarm`, a link to the repository's root. MkDocs calls this before it reads pages."""
    link = ROOT / ".links" / "segalarm"
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to("..", target_is_directory=True)
