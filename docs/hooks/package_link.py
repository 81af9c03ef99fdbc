"""Shows mkdocstrings the package by its name: the repository's root is the package, whatever the folder is called."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> None:
    """Make `.links/segalarm`, a link to the repository's root; MkDocs calls this hook before it builds."""
    root = Path(config.config_file_path).parent
    link = root / ".links" / "segalarm"
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to("..", target_is_directory=True)
