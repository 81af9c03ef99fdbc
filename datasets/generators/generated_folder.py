"""A generated dataset folder: what it is made from, and how it is made once and kept complete."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...benchmark.interfaces.errors import BenchError

MARKER = "generated.json"
"""The file that is written last and holds the recipe: a folder that has it is complete."""


@dataclass(frozen=True)
class Recipe:
    """Everything that the files of a generated dataset folder depend on, byte for byte.

    Attributes:
        splits: the number of images of each split.
        size: the size of an image, (H, W), or of a volume, (D, H, W).
        seed: the seed of all draws.
        generator: the revision of the code that draws.
    """

    splits: Mapping[str, int]
    size: tuple[int, ...]
    seed: int = 0
    generator: int | str = field(kw_only=True)


def sign(folder: Path, recipe: Recipe) -> None:
    """Write the marker. Call it last, since a folder with a marker counts as complete."""
    (folder / MARKER).write_text(json.dumps(asdict(recipe), indent=1) + "\n", encoding="utf-8")


def _signature(folder: Path) -> dict[str, Any] | None:
    """Read the recipe in the marker of a generated folder; None where there is no readable marker."""
    try:
        recipe = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return recipe if isinstance(recipe, dict) else None


def ensure(
    root: Path,
    recipe: Recipe,
    write: Callable[[Path, Recipe], None],
    count: Callable[[], Mapping[str, int]],
) -> None:
    """Generate the dataset folder `root` unless it is there, complete, and of this generator and seed.

    The files are written beside `root` and the folder is renamed, so that a killed or concurrent run leaves
    no incomplete folder. A folder of other sizes (a toy) is left as it is if it holds what its marker says.

    Args:
        root: the dataset folder.
        recipe: what to generate.
        write: writes all files and the marker below a folder.
        count: counts the images of every split in `root`, or raises `BenchError`.

    Raises:
        BenchError: `root` holds files that a generator did not write, or cannot be written.
    """
    if _is_complete(root, recipe, count):
        return
    if root.exists() and _signature(root) is None and (not root.is_dir() or any(root.iterdir())):
        raise BenchError(
            f"{root}: holds files that the generator did not write (no readable {MARKER}), so nothing is "
            "written there. Name another folder, or empty this one."
        )
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
        try:
            fresh = scratch / "new"
            write(fresh, recipe)
            if root.exists() and not _is_complete(root, recipe, count):
                root.rename(scratch / "old")
            try:
                fresh.rename(root)
            except OSError:
                if not _is_complete(root, recipe, count):  # else another process was faster
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise BenchError(
            f"{root}: the generated data set cannot be written there ({error.strerror or error}). "
            f"Free some space, or name another data folder."
        ) from error


def _is_complete(root: Path, recipe: Recipe, count: Callable[[], Mapping[str, int]]) -> bool:
    signature = _signature(root)
    if signature is None:
        return False
    if (signature.get("generator"), signature.get("seed")) != (recipe.generator, recipe.seed):
        return False
    splits = signature.get("splits")
    try:
        return isinstance(splits, dict) and all(
            splits.get(split) == images for split, images in count().items()
        )
    except BenchError:
        return False
