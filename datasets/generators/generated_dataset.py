"""Writes generated street scenes as trees in the data sets' own layouts, and keeps generated trees whole."""

from __future__ import annotations

import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...benchmark.interfaces.errors import BenchError
from . import scenes
from .scene_canvas import Bytes, Kind

MARKER = "generated.json"


@dataclass(frozen=True)
class Recipe:
    """What fixes a generated tree, byte for byte.

    Attributes:
        splits: number of images a split.
        size: of an image, an axis each.
        generator: revision of the code that draws.
    """

    splits: Mapping[str, int]
    size: tuple[int, ...]
    seed: int = 0
    generator: int | str = scenes.REVISION


TOY = Recipe({"train": 6, "validation": 2, "test": 4}, (64, 96))

TOWNS = {"train": ("t1", "t2", "t3"), "validation": ("t4",), "test": ("t5", "t6")}
CITIES = {"train": ("ahornberg", "birkenau", "cedernstadt"), "test": ("distelfeld", "eichenburg")}

_STREETHAZARDS = {
    Kind.SKY: 1,
    Kind.BUILDING: 2,
    Kind.FENCE: 3,
    Kind.TERRAIN: 4,
    Kind.PROP: 4,
    Kind.PERSON: 5,
    Kind.RIDER: 5,
    Kind.POLE: 6,
    Kind.ROAD_LINE: 7,
    Kind.ROAD: 8,
    Kind.SIDEWALK: 9,
    Kind.VEGETATION: 10,
    Kind.CAR: 11,
    Kind.TRUCK: 11,
    Kind.BUS: 11,
    Kind.TRAIN: 11,
    Kind.MOTORCYCLE: 11,
    Kind.BICYCLE: 11,
    Kind.WALL: 12,
    Kind.TRAFFIC_LIGHT: 13,
    Kind.TRAFFIC_SIGN: 13,
    Kind.ANOMALY: 14,
    Kind.HOOD: 0,
}
_CITYSCAPES = {
    Kind.SKY: 23,
    Kind.BUILDING: 11,
    Kind.FENCE: 13,
    Kind.TERRAIN: 22,
    Kind.PROP: 4,
    Kind.PERSON: 24,
    Kind.RIDER: 25,
    Kind.POLE: 17,
    Kind.ROAD_LINE: 7,
    Kind.ROAD: 7,
    Kind.SIDEWALK: 8,
    Kind.VEGETATION: 21,
    Kind.CAR: 26,
    Kind.TRUCK: 27,
    Kind.BUS: 28,
    Kind.TRAIN: 31,
    Kind.MOTORCYCLE: 32,
    Kind.BICYCLE: 33,
    Kind.WALL: 12,
    Kind.TRAFFIC_LIGHT: 19,
    Kind.TRAFFIC_SIGN: 20,
    Kind.ANOMALY: 5,
    Kind.HOOD: 1,
}
_CAMVID = {
    Kind.SKY: 0,
    Kind.BUILDING: 1,
    Kind.FENCE: 7,
    Kind.TERRAIN: 5,
    Kind.PROP: 11,
    Kind.PERSON: 9,
    Kind.RIDER: 10,
    Kind.POLE: 2,
    Kind.ROAD_LINE: 3,
    Kind.ROAD: 3,
    Kind.SIDEWALK: 4,
    Kind.VEGETATION: 5,
    Kind.CAR: 8,
    Kind.TRUCK: 8,
    Kind.BUS: 8,
    Kind.TRAIN: 8,
    Kind.MOTORCYCLE: 8,
    Kind.BICYCLE: 10,
    Kind.WALL: 1,
    Kind.TRAFFIC_LIGHT: 6,
    Kind.TRAFFIC_SIGN: 6,
    Kind.ANOMALY: 11,
    Kind.HOOD: 11,
}


def _translated(kinds: Bytes, values: Mapping[Kind, int]) -> Bytes:
    table = np.full(256, 255, np.uint8)
    for kind, value in values.items():
        table[kind] = value
    return table[kinds]


def _save(pixels: Bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=3)


def _scenes(
    recipe: Recipe, split: str, places: tuple[str, ...], anomalies: bool = False, hood: bool = False
) -> Iterator[tuple[str, int, scenes.Scene]]:
    """Yield (place, number, scene) of a split, the places taking turns; every 20th frame has no anomaly."""
    for number in range(recipe.splits.get(split, 0)):
        place = places[number % len(places)]
        odd = anomalies and number % 20 != 7
        seed = recipe.seed, zlib.crc32(split.encode()), number
        height, width = recipe.size
        yield place, number, scenes.render(seed, place, (height, width), anomalies=odd, hood=hood)


def write_streethazards(folder: Path, recipe: Recipe) -> None:
    """A StreetHazards tree; the test split holds anomalies in all but every 20th frame."""
    for split, top, name in (
        ("train", "train", "training"),
        ("validation", "train", "validation"),
        ("test", "test", "test"),
    ):
        for place, number, scene in _scenes(recipe, split, TOWNS[split], anomalies=split == "test"):
            file = f"{place}/{number + 1}.png"
            _save(scene.image, folder / top / "images" / name / file)
            _save(_translated(scene.kinds, _STREETHAZARDS), folder / top / "annotations" / name / file)
    sign(folder, recipe)


def write_cityscapes(folder: Path, recipe: Recipe) -> None:
    """A Cityscapes tree with label ids; the recipe's `test` goes to `val`, `validation` nowhere."""
    for split, name in (("train", "train"), ("test", "val")):
        for place, number, scene in _scenes(recipe, split, CITIES[split], hood=True):
            stem = f"{name}/{place}/{place}_{number:06d}_000019"
            _save(scene.image, folder / "leftImg8bit" / f"{stem}_leftImg8bit.png")
            labels = _translated(scene.kinds, _CITYSCAPES)
            _save(labels, folder / "gtFine" / f"{stem}_gtFine_labelIds.png")
    sign(folder, recipe)


def write_camvid(folder: Path, recipe: Recipe) -> None:
    """A CamVid tree."""
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        for _, number, scene in _scenes(recipe, split, TOWNS[split]):
            file = f"0001TP_{6690 + 30 * number:06d}.png"
            _save(scene.image, folder / name / file)
            _save(_translated(scene.kinds, _CAMVID), folder / f"{name}annot" / file)


def write_roadanomaly(folder: Path, recipe: Recipe) -> None:
    """A Road Anomaly tree of the recipe's `test` split."""
    names = []
    for _, number, scene in _scenes(recipe, "test", TOWNS["test"], anomalies=True):
        names.append(f"object{number + 1:02d}.jpg")
        path = folder / "frames" / names[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.image).save(path, quality=90)
        labels = np.where(scene.kinds == Kind.ANOMALY, 2, 0).astype(np.uint8)
        _save(labels, path.with_suffix(".labels") / "labels_semantic.png")
    (folder / "frame_list.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


def sign(folder: Path, recipe: Recipe) -> None:
    """Write the marker, last: a tree that has it is complete."""
    (folder / MARKER).write_text(json.dumps(asdict(recipe), indent=1) + "\n", encoding="utf-8")


def signature(folder: Path) -> dict[str, Any] | None:
    """What the marker of a generated tree says; None where there is none that can be read."""
    try:
        facts = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def ensure(
    root: Path,
    recipe: Recipe,
    write: Callable[[Path, Recipe], None],
    count: Callable[[], Mapping[str, int]],
) -> None:
    """Make the tree at `root` unless a complete one of this generator and seed is there.

    It is written beside `root` and renamed, so that a killed or concurrent run leaves no half tree.
    A tree of other sizes (a toy) is left as it is if it is what its marker says.

    Args:
        root: the data set's folder.
        recipe: what to generate.
        write: one of the writers above.
        count: counts the images of every split, or raises `BenchError`.

    Raises:
        BenchError: `root` holds something that this did not write, or cannot be written.
    """
    if _is_complete(root, recipe, count):
        return
    if root.exists() and signature(root) is None and (not root.is_dir() or any(root.iterdir())):
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
    facts = signature(root)
    if facts is None or (facts.get("generator"), facts.get("seed")) != (recipe.generator, recipe.seed):
        return False
    splits = facts.get("splits")
    try:
        return isinstance(splits, dict) and all(splits.get(name) == found for name, found in count().items())
    except BenchError:
        return False
