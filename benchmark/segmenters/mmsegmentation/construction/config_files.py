"""Finds the files of mmsegmentation's configs and of this project's own configs."""

from __future__ import annotations

import ast
from pathlib import Path

from ....interfaces.errors import BenchError, UnknownNameError

OWN_CONFIGS = Path(__file__).parents[1] / "configs"


def find_config(config: str) -> Path:
    """Find the file of a config.

    Args:
        config: A name without `.py`, of mmsegmentation or of this project, or the path of a `.py` file.

    Raises:
        BenchError: There is no such config. The message gives the nearest names.
    """
    path = Path(config)
    if path.suffix == ".py" and path.is_file():
        return path
    import mmseg

    published = (Path(mmseg.__file__).parent / ".mim" / "configs").glob("*/*.py")
    files = {file.stem: file for file in (*published, *OWN_CONFIGS.glob("*.py"))}
    name = path.name.removesuffix(".py")
    if name not in files:
        if path.suffix == ".py" and len(path.parts) > 1:
            raise BenchError(f"mmsegmentation config {path} does not exist")
        # The list of all some 600 names would bury the nearest.
        nearest = str(UnknownNameError("mmsegmentation config", config, files)).partition(" Available:")[0]
        raise BenchError(f"{nearest} mmsegmentation has {len(files)}")
    return files[name]


def with_bases(config: Path) -> list[Path]:
    """List a config's file and, in any depth, the files that it is based on (`_base_`)."""
    files = [config]
    for node in ast.parse(config.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and "_base_" in {getattr(name, "id", None) for name in node.targets}:
            bases = ast.literal_eval(node.value)
            for base in [bases] if isinstance(bases, str) else bases:
                files += with_bases(config.parent / base)
    return files
