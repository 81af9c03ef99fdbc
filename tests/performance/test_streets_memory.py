"""Host memory of Table 1 at the true size: growth from 2 % to 10 % of Cityscapes' frames of 1024 x 2048.

pytest -m slow -s tests/benchmarks/test_streets_memory.py

Networks and batches are those of the preset `small`; training is cut to a few steps, which only saves time.
Other parts of the frames: BENCH_PERCENT="0.4 1.6".
"""

import os
from pathlib import Path

import pytest
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.generators import scene_layouts, scenes
from segalarm.datasets.generators.generated_folder import Recipe
from segalarm.tests.performance.memory import bench_peak, needs_proc

pytestmark = [pytest.mark.slow, needs_proc]
SMALL, LARGE = (float(part) / 100 for part in os.environ.get("BENCH_PERCENT", "2 10").split())
LIMIT = 8 * 2**30
SHAPES = 4
"""Frames of a split that are generated; the others are links to them, and are read like them."""
STEPS = (
    "lite0.steps",
    "direct-prediction.comparison.steps",
    "synthcp.comparison.steps",
    "synthcp.cgan.steps",
)
METHODS = "msp,mcdropout,direct-prediction,vae-alarm,synthcp"


def lay_out(folder, part):
    """A Cityscapes tree of this part of the release's frames."""
    recipe = Recipe({"train": SHAPES, "test": SHAPES}, (1024, 2048), generator=scenes.REVISION)
    scene_layouts.write_cityscapes(folder, recipe)
    count = 0
    for split, name in (("train", "train"), ("test", "val")):
        wanted = round(Cityscapes.info.splits[split] * part)
        images = sorted((folder / "leftImg8bit" / name).rglob("*.png"))
        for number in range(len(images), wanted):
            image = images[number % len(images)]
            label = Path(
                str(image).replace("leftImg8bit", "gtFine", 1).replace("leftImg8bit", "gtFine_labelIds")
            )
            for file in (image, label):
                city, _, rest = file.name.split("_", 2)
                os.link(file, file.with_name(f"{city}_{number:06d}_{rest}"))
        count += wanted
    return count


def peak(folder, part):
    """The largest memory of a run, in bytes, and the number of frames."""
    frames = lay_out(folder / "tree", part)
    words = ["run", "--method", METHODS, "--dataset", "cityscapes", "--data", folder / "tree"]
    words += ["--task", "pixel-failure,image-failure", "--variant", "generated", "--preset", "small"]
    words += ["--workspace", folder / "workspace", "--set", "vae-alarm.vae.steps=6", "--segmenter", "lite0"]
    words += [word for key in STEPS for word in ("--set", f"{key}=6")] + ["--set", "mcdropout.passes=4"]
    return bench_peak(words, folder / f"{frames} frames"), frames


def test_the_whole_of_cityscapes_stays_below_8_gib(tmp_path):
    found = []
    for part in (SMALL, LARGE):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        found.append(peak(folder, part))
    (low, few), (high, many) = found
    growth = max(high - low, 0) / (many - few)
    whole = high + growth * (sum(Cityscapes.info.splits.values()) - many)
    print(f"growth {growth / 2**20:.2f} MiB a frame; the whole by this: {whole / 2**30:.2f} GiB")
    assert whole < LIMIT
