"""The generator of street scenes, and the generated data sets that it writes."""

import hashlib
import itertools
import json
import threading

import numpy as np
import pytest
from segalarm.benchmark.data.folders import variant_of
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.datasets.cityscapes_mini import CityscapesMini
from segalarm.datasets.generators import scene_layouts, scenes
from segalarm.datasets.generators.generated_folder import MARKER, Recipe
from segalarm.datasets.generators.scene_painting.canvas import Kind
from segalarm.datasets.streethazards_mini import StreetHazardsMini

MINIS = (StreetHazardsMini, CityscapesMini)


@pytest.fixture(scope="module")
def minis(tmp_path_factory):
    root = tmp_path_factory.mktemp("minis")
    datasets = {cls: cls(root / cls.info.name) for cls in MINIS}
    for dataset in datasets.values():
        dataset.prepare()
    return datasets


def digest(folder):
    """SHA-256 over names and bytes of all files."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        recipe = Recipe({"train": 2, "test": 2}, (48, 64), seed, generator=scenes.REVISION)
        scene_layouts.write_streethazards(tmp_path / name, recipe)
        scene_layouts.write_cityscapes(tmp_path / f"{name}-city", recipe)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a-city") == digest(tmp_path / "b-city")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


def test_frames_of_a_split_differ():
    frames = [scenes.render((0, 1, n), "t1", (48, 64)).image for n in range(4)]
    for left, right in itertools.pairwise(frames):
        assert np.abs(left.astype(int) - right).mean() > 5


@pytest.mark.parametrize("cls", MINIS)
def test_a_miniature_is_its_own_release_and_holds_every_class_in_every_split(cls, minis):
    dataset = minis[cls]
    variant_of(dataset, {})
    for split in ("train", "test"):
        labels = [sample.truth.label for sample in dataset.samples(split)]
        images_with = np.zeros(256, int)
        for label in labels:
            images_with[np.unique(label)] += 1
        assert images_with[: len(dataset.info.classes)].min() >= 8


def test_unseen_objects_lie_in_the_test_split_alone(minis):
    dataset = minis[StreetHazardsMini]
    for split in ("train", "validation"):
        assert not any(sample.truth.anomaly.any() for sample in dataset.samples(split))
    shares = np.array([sample.truth.anomaly.mean() for sample in dataset.samples("test")])
    assert (shares == 0).sum() == 2
    assert shares[shares > 0].min() > 0.001
    assert shares.max() < 0.5


def test_towns_of_one_split_are_in_no_other(minis):
    for dataset in minis.values():
        groups = [{s.group for s in dataset.samples(split)} for split in dataset.info.splits]
        assert sum(map(len, groups)) == len(set().union(*groups))


def test_a_scene_holds_anomalies_only_when_asked():
    plain = scenes.render((1, 2, 3), "t1", (96, 160))
    odd = scenes.render((1, 2, 3), "t1", (96, 160), anomalies=True)
    assert not (plain.kinds == Kind.ANOMALY).any()
    assert (odd.kinds == Kind.ANOMALY).sum() >= 20


@pytest.fixture
def small(monkeypatch):
    """The generated data set with fewer and smaller images."""
    monkeypatch.setattr(
        "segalarm.datasets.streethazards_mini.RECIPE",
        Recipe({"train": 3, "validation": 1, "test": 2}, (48, 64), generator=scenes.REVISION),
    )
    return StreetHazardsMini


def test_a_complete_folder_is_not_generated_again(small, tmp_path):
    dataset = small(tmp_path / "mini")
    dataset.prepare()
    before = {p: p.stat().st_mtime_ns for p in dataset.root.rglob("*")}
    dataset.prepare()
    assert {p: p.stat().st_mtime_ns for p in dataset.root.rglob("*")} == before


@pytest.mark.parametrize("damage", ["revision", "seed", "image", "frame"])
def test_an_outdated_or_damaged_folder_is_generated_again(damage, small, tmp_path):
    dataset = small(tmp_path / "mini")
    dataset.prepare()
    whole = digest(dataset.root)
    marker = dataset.root / MARKER
    if damage in ("revision", "seed"):
        facts = json.loads(marker.read_text())
        facts["generator" if damage == "revision" else "seed"] = -1
        marker.write_text(json.dumps(facts))
    else:
        sample = dataset.samples("test")[0]
        sample._read_image.args[0].unlink()
        if damage == "frame":
            sample._read_truth.args[1].unlink()
    dataset.prepare()
    assert digest(dataset.root) == whole
    assert [p.name for p in tmp_path.iterdir()] == ["mini"]


def test_a_toy_is_left_as_it_is(tmp_path):
    dataset = StreetHazardsMini.toy(tmp_path / "toy")
    dataset.prepare()
    assert [len(dataset.samples(split)) for split in dataset.info.splits] == [6, 2, 4]
    with pytest.raises(BenchError, match="--variant"):
        variant_of(dataset, {})


def test_foreign_files_are_never_overwritten(small, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BenchError, match="did not write"):
        small(tmp_path).prepare()
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_filled(small, tmp_path):
    (tmp_path / "mini").mkdir()
    small(tmp_path / "mini").prepare()
    assert len(small(tmp_path / "mini").samples("train")) == 3


def test_an_interrupted_run_leaves_nothing(small, tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "render", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "mini").prepare()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="cannot be written"):
        small(tmp_path / "file" / "mini").prepare()


def test_two_at_a_time_make_one_folder(small, tmp_path):
    errors = []

    def prepare():
        try:
            small(tmp_path / "mini").prepare()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [p.name for p in tmp_path.iterdir()] == ["mini"]
    assert len(small(tmp_path / "mini").samples("test")) == 2
