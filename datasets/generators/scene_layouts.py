"""Writes generated street scenes as dataset folders in the layouts of four street data sets."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from . import scenes
from .generated_folder import Recipe, sign
from .scene_painting.canvas import Bytes, Kind
from .scene_painting.exposure import Scene

TOY = Recipe({"train": 6, "validation": 2, "test": 4}, (64, 96), generator=scenes.REVISION)
"""The recipe of the toys of street data sets, which the tests read."""

TOWNS = {"train": ("t1", "t2", "t3"), "validation": ("t4",), "test": ("t5", "t6")}
CITIES = {"train": ("ahornberg", "birkenau", "cedernstadt"), "test": ("distelfeld", "eichenburg")}
WITHOUT_ANOMALY = 20
"""One of so many test images holds no anomaly."""

# The label value of each kind of thing in StreetHazards, Cityscapes (its label ids) and CamVid.
_LABEL_VALUES = {
    Kind.SKY: (1, 23, 0),
    Kind.BUILDING: (2, 11, 1),
    Kind.FENCE: (3, 13, 7),
    Kind.TERRAIN: (4, 22, 5),
    Kind.PROP: (4, 4, 11),
    Kind.PERSON: (5, 24, 9),
    Kind.RIDER: (5, 25, 10),
    Kind.POLE: (6, 17, 2),
    Kind.ROAD_LINE: (7, 7, 3),
    Kind.ROAD: (8, 7, 3),
    Kind.SIDEWALK: (9, 8, 4),
    Kind.VEGETATION: (10, 21, 5),
    Kind.CAR: (11, 26, 8),
    Kind.TRUCK: (11, 27, 8),
    Kind.BUS: (11, 28, 8),
    Kind.TRAIN: (11, 31, 8),
    Kind.MOTORCYCLE: (11, 32, 8),
    Kind.BICYCLE: (11, 33, 10),
    Kind.WALL: (12, 12, 1),
    Kind.TRAFFIC_LIGHT: (13, 19, 6),
    Kind.TRAFFIC_SIGN: (13, 20, 6),
    Kind.ANOMALY: (14, 5, 11),
    Kind.HOOD: (0, 1, 11),
}
_STREETHAZARDS, _CITYSCAPES, _CAMVID = (
    {kind: values[layout] for kind, values in _LABEL_VALUES.items()} for layout in range(3)
)


def _label_values(kinds: Bytes, values: Mapping[Kind, int]) -> Bytes:
    """Translate kinds, uint8 (H, W), into the label values of a layout; 255 for a kind without a value."""
    table = np.full(256, 255, np.uint8)
    for kind, value in values.items():
        table[kind] = value
    return table[kinds]


def _save(pixels: Bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=3)


def _scenes(
    recipe: Recipe, split: str, places: tuple[str, ...], anomalies: bool = False, hood: bool = False
) -> Iterator[tuple[str, int, Scene]]:
    """Yield (place, number, scene) for every image of a split.

    Args:
        places: the towns, which take turns.
        anomalies: whether the images hold anomalies, but for one in `WITHOUT_ANOMALY`.
        hood: whether the bonnet of the camera's own car is seen.
    """
    for number in range(recipe.splits.get(split, 0)):
        place = places[number % len(places)]
        has_anomaly = anomalies and number % WITHOUT_ANOMALY != 7
        seed = recipe.seed, zlib.crc32(split.encode()), number
        height, width = recipe.size
        yield place, number, scenes.render(seed, place, (height, width), anomalies=has_anomaly, hood=hood)


def write_streethazards(folder: Path, recipe: Recipe) -> None:
    """Write a StreetHazards folder. All test images hold anomalies but for one in `WITHOUT_ANOMALY`."""
    for split, top, name in (
        ("train", "train", "training"),
        ("validation", "train", "validation"),
        ("test", "test", "test"),
    ):
        for place, number, scene in _scenes(recipe, split, TOWNS[split], anomalies=split == "test"):
            file = f"{place}/{number + 1}.png"
            _save(scene.image, folder / top / "images" / name / file)
            _save(_label_values(scene.kinds, _STREETHAZARDS), folder / top / "annotations" / name / file)
    sign(folder, recipe)


def write_cityscapes(folder: Path, recipe: Recipe) -> None:
    """Write a Cityscapes folder with label ids. The split `test` goes to `val`; `validation` is left out."""
    for split, name in (("train", "train"), ("test", "val")):
        for place, number, scene in _scenes(recipe, split, CITIES[split], hood=True):
            stem = f"{name}/{place}/{place}_{number:06d}_000019"
            _save(scene.image, folder / "leftImg8bit" / f"{stem}_leftImg8bit.png")
            labels = _label_values(scene.kinds, _CITYSCAPES)
            _save(labels, folder / "gtFine" / f"{stem}_gtFine_labelIds.png")
    sign(folder, recipe)


def write_camvid(folder: Path, recipe: Recipe) -> None:
    """Write a CamVid folder."""
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        for _, number, scene in _scenes(recipe, split, TOWNS[split]):
            file = f"0001TP_{6690 + 30 * number:06d}.png"
            _save(scene.image, folder / name / file)
            _save(_label_values(scene.kinds, _CAMVID), folder / f"{name}annot" / file)


def write_roadanomaly(folder: Path, recipe: Recipe) -> None:
    """Write a Road Anomaly folder, which holds the recipe's `test` split alone."""
    names = []
    for _, number, scene in _scenes(recipe, "test", TOWNS["test"], anomalies=True):
        names.append(f"object{number + 1:02d}.jpg")
        path = folder / "frames" / names[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.image).save(path, quality=90)
        labels = np.where(scene.kinds == Kind.ANOMALY, 2, 0).astype(np.uint8)
        _save(labels, path.with_suffix(".labels") / "labels_semantic.png")
    (folder / "frame_list.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
