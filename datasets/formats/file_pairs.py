"""Finds the images and the label files of a dataset folder, and checks that they belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ...benchmark.interfaces.errors import BenchError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key of the natural order, in which numbers inside names compare by value: `t2` before `t10`.

    >>> sorted(["b", "a10", "a9"], key=natural_key)
    ['a9', 'a10', 'b']
    """
    parts = re.split(r"([0-9]+)", text)
    # The text itself comes last: `a1` and `a01` are equal up to there and still have one order.
    return (*((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts if p), (2, 0, text))


def list_stems(folder: Path, suffix: str, layout: str) -> dict[str, Path]:
    """List the files below a folder whose names end in `suffix`, hidden files left out.

    Args:
        folder: where to look, subfolders included.
        suffix: the end of the names; "" for any image.
        layout: the expected layout of the dataset folder, for the error message.

    Returns:
        Stem (the path below `folder` without `suffix`) -> file, in natural order.

    Raises:
        BenchError: the folder is missing, or two files have one stem.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder. Expected layout:\n{layout}")
    files: dict[str, Path] = {}
    for path in folder.rglob(f"*{suffix}" if suffix else "*"):
        if path.name.startswith(".") or (not suffix and path.suffix.lower() not in IMAGE_SUFFIXES):
            continue
        stem = path.relative_to(folder).as_posix().removesuffix(suffix or path.suffix)
        if stem in files:
            raise BenchError(f"{path} and {files[stem].name}: two files for one frame. Remove one.")
        files[stem] = path
    return dict(sorted(files.items(), key=lambda item: natural_key(item[0])))


def check_pairs(images: Mapping[str, Path], labels: Mapping[str, Path], folders: tuple[Path, Path]) -> None:
    """Check that every image has a label, that every label has an image, and that there is at least one.

    Args:
        images: frame -> image file.
        labels: frame -> label file.
        folders: the folders in which images and labels were looked for.

    Raises:
        BenchError: naming the first file without its partner.
    """
    sides = ((images, labels, "label", folders[1]), (labels, images, "image", folders[0]))
    for files, partners, partner, folder in sides:
        lonely = [path for frame, path in files.items() if frame not in partners]
        if lonely:
            more = f" (and {len(lonely) - 1} more)" if len(lonely) > 1 else ""
            raise BenchError(
                f"{lonely[0]}: has no {partner} below {folder}{more}. Restore the {partner} or "
                "remove this file."
            )
    if not images:
        raise BenchError(f"{folders[0]}: holds no images. Extract the data set again.")
