"""The generated volumes."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from segalarm.benchmark.data.folders import variant_of
from segalarm.datasets.formats import decathlon
from segalarm.datasets.generators import organs
from segalarm.datasets.generators.generated_folder import MARKER, Recipe
from segalarm.datasets.pancreas_mini import RECIPE, PancreasMini

SIZE = (20, 24, 28)


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    dataset = PancreasMini(tmp_path_factory.mktemp("mini") / "pancreas-mini")
    dataset.prepare()
    return dataset


def test_it_is_its_own_release_and_larger_than_one_slice(mini):
    assert variant_of(mini, {}) is None
    for split, count in RECIPE.splits.items():
        assert len(mini.samples(split)) == count
    assert mini.samples("train")[0].image.shape == (1, *RECIPE.size)


def test_tumours_vary_in_size_and_contrast_and_some_volumes_have_none(mini):
    sizes, contrasts, noises = [], [], []
    for split in RECIPE.splits:
        for sample in mini.samples(split):
            label, image = sample.truth.label, sample.image[0]
            assert (label == 1).mean() > 0.005
            sizes.append((label == 2).sum())
            noises.append(image[label == 1].std())
            if sizes[-1]:
                contrasts.append(image[label == 2].mean() - image[label == 1].mean())
    healthy = sum(size == 0 for size in sizes)
    assert healthy == sum(RECIPE.splits.values()) // organs.HEALTHY
    present = np.array([size for size in sizes if size])
    assert np.quantile(present, 0.9) > 5 * np.quantile(present, 0.1)
    assert np.quantile(contrasts, 0.9) > 3 * max(np.quantile(contrasts, 0.1), 0.01)
    assert np.quantile(noises, 0.9) > 1.5 * np.quantile(noises, 0.1)


def test_a_tumour_lies_at_the_organ(mini):
    for sample in mini.samples("test")[:10]:
        label = sample.truth.label
        grown = np.zeros_like(label, bool)
        for axis in range(3):
            for step in range(-3, 4):
                grown |= np.roll(label == 1, step, axis)
        assert (grown | (label != 2)).mean() > 0.98


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    def digest(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()

    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        recipe = Recipe({"train": 2, "test": 1}, SIZE, seed, generator=organs.REVISION)
        organs.write(tmp_path / name, recipe, decathlon.PANCREAS)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


def test_a_folder_of_another_revision_is_generated_again(tmp_path, monkeypatch):
    small = replace(RECIPE, splits={"train": 3, "test": 1}, size=SIZE)
    monkeypatch.setattr("segalarm.datasets.pancreas_mini.RECIPE", small)
    dataset = PancreasMini(tmp_path / "mini")
    dataset.prepare()
    made = (tmp_path / "mini" / MARKER).stat().st_mtime_ns
    dataset.prepare()
    assert (tmp_path / "mini" / MARKER).stat().st_mtime_ns == made
    monkeypatch.setattr(
        "segalarm.datasets.pancreas_mini.RECIPE", replace(small, generator="organs-of-tomorrow")
    )
    dataset.prepare()
    assert "organs-of-tomorrow" in (tmp_path / "mini" / MARKER).read_text()


@pytest.mark.parametrize("structures", [1, 2, 3])
def test_there_are_as_many_structures_as_asked_for(structures):
    seen = set()
    for number in range(6):
        _, label = organs.render((number,), SIZE, structures)
        seen |= set(np.unique(label).tolist())
    assert seen == set(range(structures + 1))
    _, label = organs.render((0,), SIZE, structures, healthy=True)
    assert structures == 1 or structures not in label
