"""Alarms at the true size, 720 x 1280: memory over the number of frames, seconds a frame.

pytest -m slow -s tests/benchmarks/test_anomaly_cost.py

The small segmenter; training is cut to a few steps, which only saves time. Other numbers of frames:
BENCH_FRAMES="40 100".
"""

import json
import os
from pathlib import Path

import pytest
from segalarm.datasets.generators import scene_layouts, scenes
from segalarm.datasets.generators.generated_folder import Recipe
from segalarm.tests.performance.memory import bench_peak

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux' /proc"),
]
FEW, MANY = map(int, os.environ.get("BENCH_FRAMES", "40 200").split())
SHAPES = 4
"""Frames of a split that are generated; the others are links to them, and are read like them."""
TRAINED = "ae,ensemble,synthcp"
METHODS = f"msp,entropy,maxlogit,energy,mcdropout,standardized-maxlogit,mahalanobis,knn,{TRAINED}"
SETTINGS = (
    "lite0.steps=6",
    "ae.steps=6",
    "synthcp.cgan.steps=6",
    "ensemble.members=2",
    "mcdropout.passes=4",
    "knn.patches=1000",
)

PUBLISHED = (
    "pspnet.pretrained=null",
    "pspnet.steps=1",
    "pspnet.crop=[96,96]",
    "synthcp.cgan.perceptual_weights=null",
    "synthcp.cgan.batch_size=1",
    "synthcp.cgan.steps=1",
)
"""Networks, scales and features of the paper, untrained: of the schedule only that it is short."""


def lay_out(folder, frames):
    """A StreetHazards tree of so many frames to train on, and so many to test."""
    splits = {"train": SHAPES, "validation": 1, "test": SHAPES}
    scene_layouts.write_streethazards(folder, Recipe(splits, (720, 1280), generator=scenes.REVISION))
    for split in ("train", "test"):
        images = sorted((folder / split / "images").rglob("*.png"))
        images = [image for image in images if "validation" not in image.parts]
        for number in range(len(images), frames):
            image = images[number % len(images)]
            label = Path(str(image).replace("/images/", "/annotations/"))
            for file in (image, label):
                os.link(file, file.with_name(f"{1000 + number}.png"))
    return folder


def run(folder, tree, methods, settings=SETTINGS, more=("--preset", "small")):
    words = ["run", "--method", methods, "--dataset", "streethazards", "--data", tree, *more]
    words += ["--variant", "generated", "--workspace", folder / "workspace", "--rerun", "always"]
    words += [word for setting in settings for word in ("--set", setting)]
    return bench_peak(words, folder / f"{tree.name} frames, {methods.count(',') + 1} methods")


def seconds(folder):
    """Method -> seconds a frame of scoring, its metrics included; "(segmenter)" -> of the shared pass."""
    found = {}
    for file in (folder / "workspace" / "records").glob("*.json"):
        record = json.loads(file.read_text())
        frames = record["identity"]["n_samples"]
        found[record["identity"]["method"]] = record["timings"]["score"] / frames
        found["(segmenter)"] = record["timings"]["predict"] / frames
    return found


def test_memory_does_not_grow_with_the_frames(tmp_path):
    found = {}
    for frames in (FEW, MANY):
        folder = tmp_path / f"of {frames}"
        folder.mkdir()
        tree = lay_out(folder / f"{frames}", frames)
        # Training takes the most memory, and would hide what the pass takes.
        run(folder, tree, TRAINED)
        found[frames] = run(folder, tree, METHODS)
    for method, cost in sorted(seconds(folder).items()):
        print(f"{method}: {cost:.2f} s a frame")
    growth = (found[MANY] - found[FEW]) / (MANY - FEW)
    print(f"growth {growth / 2**20:.2f} MiB a frame")
    # One score map of this size is 3.5 MiB.
    assert growth < 2**20


def test_what_three_frames_at_five_scales_cost(tmp_path):
    tree, network = lay_out(tmp_path / "3", 3), ("--segmenter", "pspnet", "--preset", "full")
    for methods in ("msp", "msp,synthcp"):
        peak = run(tmp_path, tree, methods, PUBLISHED, network)
        for name, cost in sorted(seconds(tmp_path).items()):
            print(f"pspnet, {name}: {cost:.0f} s a frame")
        print(f"pspnet, {methods}: peak with its training {peak / 2**30:.2f} GiB")


@pytest.mark.parametrize("by", ["pydensecrf", "torch"])
def test_what_the_crf_of_three_frames_costs(tmp_path, by):
    if by == "pydensecrf":
        pytest.importorskip(by)
    settings = (*SETTINGS, f"msp-crf.by={by}")
    peak = run(tmp_path, lay_out(tmp_path / "3", 3), "msp-crf", settings)
    cost = seconds(tmp_path)["msp-crf"]
    together = "three at once" if by == "pydensecrf" else "one after another"
    print(f"msp-crf, {by}: {cost:.0f} s a frame, {together}; peak {peak / 2**30:.2f} GiB")
