"""Host memory of a volume of 512 x 512 x 100: segmented, passed through every method, scored.

pytest -m slow -s tests/benchmarks/test_volume_memory.py

Networks are those of the preset `small`; training is cut to two steps, which only saves time. Another preset:
BENCH_PRESET=full. Another segmenter: BENCH_SEGMENTER=ah-net. Some methods alone, since
all of them take long: BENCH_METHODS=msp,synthcp.
"""

import os
import sys

import nibabel
import numpy as np
import pytest
from scipy import ndimage
from segalarm.benchmark.storage.record import read_records
from segalarm.datasets.formats.decathlon import PANCREAS
from segalarm.datasets.generators import organs
from segalarm.tests.performance.memory import needs_proc, watched

pytestmark = [pytest.mark.slow, needs_proc]
LIMIT = 12 * 2**30
PRESET = os.environ.get("BENCH_PRESET", "small")
SEGMENTER = os.environ.get("BENCH_SEGMENTER", "unet3d")
METHODS = os.environ.get("BENCH_METHODS", "all")
CASES = 5
"""Four of them for training, the fewest that can be split into folds. All are one file."""
NOT_HERE = {"msp-crf", "tcp"}
"""Methods that have no meaning in volumes."""
SHORT = (
    "direct-prediction.comparison.steps",
    "synthcp.comparison.steps",
    "synthcp.cgan.steps",
    "vae-alarm.vae.steps",
    "synthcp-vae.synthcp.comparison.steps",
    "synthcp-vae.synthcp.cgan.steps",
    "synthcp-vae.vae_alarm.vae.steps",
    "ae.steps",
    "mcdropout.passes",
    "jungo.passes",
    "kwon.passes",
)
ALONE = """
import sys
from pathlib import Path
import torch
from segalarm.benchmark.conformance.toys import toy_context
from segalarm.benchmark.evaluation.by_task import make_evaluator
from segalarm.benchmark.interfaces import Needs, Preset, Protocol, Scores, Task
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.plugins.configure import configure
from segalarm.datasets.msd import Pancreas

root, name, preset = Path(sys.argv[1]), sys.argv[2], Preset(sys.argv[3])
dataset = Pancreas(root / "tree")
kind = load_registry().get("segmenters", name).load()
options = {"steps": 1, "batch_size": 1, "per_volume": 1, "dropout": 0.1}
model = kind(configure(kind, name, options, preset, Protocol.OFFICIAL, dataset.info), dataset.info)
model.fit(dataset.samples("train"), toy_context(dataset, root, None))
sample = dataset.samples("test")[0]
needs = Needs(logits=True, probabilities=True, monte_carlo=frozenset({1}))
found = model.predict(torch.from_numpy(sample.image)[None], [sample.key], needs, 0)[0]
scores = Scores(-found.monte_carlo[1].mean.amax(0).numpy(), quality=[1.0, 0.5, 0.5])
for task in (Task.IMAGE_FAILURE, Task.PIXEL_FAILURE):
    judge = make_evaluator(task, dataset.info, Protocol.OFFICIAL)
    judge.update(sample, found.labels.numpy(), scores)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("large")
    values, label = organs.render((0, 1), (25, 64, 64))
    files = {}
    for name, small, order in (("imagesTr", values, 1), ("labelsTr", label, 0)):
        large = ndimage.zoom(small, (4, 8, 8), order=order, mode="nearest", grid_mode=True)
        assert large.shape == (100, 512, 512)
        files[name] = large.astype(np.int16 if order else np.uint8)
        organs._save(files[name], root / "tree" / name / "pancreas_001.nii.gz", PANCREAS)
        first = root / "tree" / name / "pancreas_001.nii.gz"
        assert nibabel.load(first).shape == (512, 512, 100)
        for number in range(2, CASES + 1):
            os.link(first, first.with_name(f"pancreas_{number:03d}.nii.gz"))
    return root


def report(what, largest, seconds):
    print(f"\n{what}, preset {PRESET}, 512 x 512 x 100: {largest / 2**30:.2f} GiB, {seconds:.0f} s")
    assert largest < LIMIT


def test_a_large_volume_is_segmented_with_stochastic_passes_and_scored(folder):
    command = [sys.executable, "-c", ALONE, str(folder), SEGMENTER, PRESET]
    report(SEGMENTER, *watched(command, folder / "output"))


def test_a_large_volume_passes_through_every_method(folder):
    words = ["run", "--method", METHODS, "--dataset", "msd-pancreas", "--data", folder / "tree"]
    words += ["--task", "image-failure,pixel-failure", "--variant", "large", "--preset", PRESET]
    words += ["--workspace", folder / "workspace", "--segmenter", SEGMENTER, "--set", f"{SEGMENTER}.steps=2"]
    words += [word for key in SHORT for word in ("--set", f"{key}=2")]
    largest, seconds = watched([sys.executable, "-m", "segalarm.cli", *map(str, words)], folder / "run")
    status = {r.identity.method: r.status for r in read_records(folder / "workspace" / "records")}
    asked = {*status} if METHODS == "all" else {*METHODS.split(",")}
    assert {name for name, found in status.items() if found == "skipped"} == NOT_HERE & asked
    report(", ".join([SEGMENTER, *sorted({*status} - NOT_HERE)]), largest, seconds)
