"""Volumes for tests of methods: an organ that contains a tumour, segmented well or badly."""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from segalarm.benchmark.interfaces import (
    DatasetInfo,
    Item,
    MonteCarlo,
    Needs,
    Pair,
    Pairs,
    Prediction,
    Preset,
    Protocol,
    Sample,
    Task,
    Truth,
)
from segalarm.benchmark.plugins.configure import configure
from segalarm.tests.support.contexts import bare_context

SHAPE = (14, 18, 11)
INFO = DatasetInfo(
    name="blobs",
    summary="",
    revision="1",
    tasks=(Task.IMAGE_FAILURE,),
    classes=("background", "organ", "tumour"),
    palette=((0, 0, 0), (200, 0, 0), (0, 200, 0)),
    splits={},
    licence="",
    citation="",
    source="",
    layout="",
    ndim=3,
    channels=1,
)


def truth_of(index):
    """The label map, int64 SHAPE: an ellipsoid of class 1 with a ball of class 2, whose sizes vary."""
    z, y, x = np.indices(SHAPE)
    organ = ((z - 7) / 5) ** 2 + ((y - 9) / (5 + index % 3)) ** 2 + ((x - 5) / 4) ** 2 <= 1
    tumour = (z - 7) ** 2 + (y - 8) ** 2 + (x - 5) ** 2 <= 3 + index % 5
    return np.where(tumour, 2, np.where(organ, 1, 0)).astype(np.int64)


def image_of(label, index):
    """The image, float32 (1, *SHAPE) in [0, 1]: the higher the class, the brighter, with noise."""
    noise = np.random.default_rng(index).normal(0, 0.05, SHAPE)
    return np.clip(0.2 + 0.25 * label + noise, 0, 1)[None].astype(np.float32)


def predicted(label, badness, passes=4):
    """A segmentation that misses the share `badness` of the voxels, and is less sure the more it misses."""
    drawn = np.random.default_rng(int(1000 * badness)).random(SHAPE)
    labels = np.where(drawn < badness, 0, label)
    sure = 0.98 - 0.4 * badness
    probabilities = torch.full((3, *SHAPE), (1 - sure) / 2)
    probabilities.scatter_(0, torch.from_numpy(labels)[None], sure)
    entropy = torch.special.entr(probabilities).sum(0)
    drawn_passes = MonteCarlo(passes, probabilities, entropy, probabilities**2)
    # A member that misses half of what the others hold, where the segmentation is bad.
    poorer = probabilities.clone()
    poorer[:, : int(14 * badness)] = torch.tensor([1.0, 0, 0]).view(3, 1, 1, 1)
    logs = probabilities.log()
    return Prediction(
        torch.from_numpy(labels),
        probabilities.amax(0),
        logits=logs - logs.mean(0),
        probabilities=probabilities,
        monte_carlo={passes: drawn_passes},
        members=torch.stack([probabilities, poorer, probabilities]),
    )


def sample_of(index):
    label = truth_of(index)
    truth = Truth(label, None, np.ones(SHAPE, bool))
    return Sample(str(index), partial(image_of, label, index), lambda: truth, spacing=(1.0, 1.0, 2.5))


class Blobs(Pairs):
    """Training pairs whose segmentations go from right (the first) to mostly missing (the last)."""

    key = "blobs"

    def __init__(self, count=8):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        sample = sample_of(index)
        return Pair(sample, predicted(sample.truth.label, index / self.count))


def items(count=8):
    return [Item(pair.sample.view, pair.prediction) for pair in Blobs(count)]


def context(folder, count=8):
    """The context of a run that trains on the volumes. Artifacts are made below `folder`, once each."""
    made = {}

    def artifact(name, config, build, *, seed=0, inputs=()):
        key = (name, config.model_dump_json(), seed, tuple(inputs))
        if key not in made:
            made[key] = folder / f"{name}-{len(made)}"
            made[key].mkdir()
            scratch = folder / "unfinished" / made[key].name
            build(made[key], replace(run, workspace=scratch, seed=seed))
        return made[key]

    train = [sample_of(index) for index in range(count)]
    run = bare_context(folder, INFO, train=train, precision="32", artifact=artifact)
    return run


def method(kind, task=Task.IMAGE_FAILURE, **options):
    """A method as the preset `smoke` configures it for volumes."""
    config = configure(kind, "it", options, Preset.SMOKE, Protocol.OFFICIAL, INFO)
    assert isinstance(kind(config, task).needs(), Needs)
    return kind(config, task)


def fitted(kind, folder, count=8, **options):
    """A method of `method` that was fitted, saved and loaded, and the context of its run."""
    one, other = method(kind, **options), method(kind, **options)
    run = context(folder, count)
    one.fit(Blobs(count), run)
    saved = folder / "saved"
    saved.mkdir()
    one.save(saved)
    other.load(saved, run)
    return other, run
