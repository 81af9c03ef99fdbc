"""What holds for every built-in data set of photographs: its toy, its samples, errors of faulty folders."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from segalarm.benchmark.interfaces import VOID, Task
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.datasets.camvid import CamVid
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.cityscapes_mini import CityscapesMini
from segalarm.datasets.roadanomaly import RoadAnomaly
from segalarm.datasets.streethazards import StreetHazards
from segalarm.datasets.streethazards_mini import StreetHazardsMini

ALL = (StreetHazards, Cityscapes, CamVid, RoadAnomaly, StreetHazardsMini, CityscapesMini)
READERS = (StreetHazards, Cityscapes, CamVid, RoadAnomaly)


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """Class -> root of its toy; read only."""
    root = tmp_path_factory.mktemp("toys")
    return {cls: cls.toy(root / cls.__name__).root for cls in ALL}


@pytest.fixture
def copy_of(toys, tmp_path):
    """A function that gives a data set on a copy of its toy, to be damaged."""

    def copy(cls):
        return cls(shutil.copytree(toys[cls], tmp_path / cls.__name__))

    return copy


def first_pair(dataset):
    """The image and label file of the first test sample."""
    sample = dataset.samples("test")[0]
    return sample._read_image.args[0], sample._read_truth.args[1]


def put_label(path, values):
    Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.mark.parametrize("cls", ALL)
def test_samples_of_a_toy_have_the_declared_shapes_and_types(cls, toys):
    dataset = cls(toys[cls])
    dataset.prepare()
    keys = []
    for split in dataset.info.splits:
        samples = dataset.samples(split)
        assert len(samples) > 0
        for sample in samples:
            keys.append(sample.key)
            assert sample.image.shape == (3, 64, 96)
            assert sample.image.dtype == np.float32
            assert 0 <= sample.image.min() < sample.image.max() <= 1
            truth = sample.truth
            assert truth.label.shape == truth.valid.shape == (64, 96)
            assert truth.label.dtype == np.int64
            assert truth.valid.dtype == bool
            used = np.unique(truth.label[truth.label != VOID])
            assert set(used) <= set(range(len(dataset.info.classes)))
            assert (truth.anomaly is not None) == (Task.ANOMALY in dataset.info.tasks)
            assert (truth.label[~truth.valid] == VOID).all()
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("cls", ALL)
def test_facts_are_complete(cls):
    info = cls.info
    assert len(info.palette) == len(info.classes)
    assert len(set(info.palette)) == len(info.palette)
    assert all((info.revision, info.licence, info.citation, info.source, info.layout, info.folders))
    entry = load_registry().get("datasets", info.name)
    assert entry.load() is cls
    assert entry.tasks == info.tasks


@pytest.mark.parametrize("cls", ALL)
def test_listing_opens_no_image_and_indexing_gives_fresh_samples(cls, toys, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *a, **k: pytest.fail("an image was opened"))
    dataset = cls(toys[cls])
    dataset.prepare()
    samples = dataset.samples("test")
    assert samples[0] is not samples[0]
    assert samples[-1].key == [s.key for s in samples][-1]
    assert [s.key for s in samples[1:3]] == [samples[1].key, samples[2].key]


@pytest.mark.parametrize("cls", ALL)
def test_a_sample_survives_pickling(cls, toys):
    sample = cls(toys[cls]).samples("test")[0]
    copy = pickle.loads(pickle.dumps(sample))
    np.testing.assert_array_equal(copy.image, sample.image)
    np.testing.assert_array_equal(copy.truth.label, sample.truth.label)


@pytest.mark.parametrize("cls", ALL)
def test_an_unknown_split_is_empty(cls, toys):
    assert len(cls(toys[cls]).samples("night")) == 0


@pytest.mark.parametrize("cls", READERS)
def test_an_empty_folder_is_refused_with_the_layout_and_the_way_to_get_it(cls, tmp_path):
    with pytest.raises(BenchError) as caught:
        cls(tmp_path).prepare()
    assert cls.info.layout in str(caught.value)
    assert cls.info.source in str(caught.value)


@pytest.mark.parametrize("cls", READERS)
def test_an_image_without_label_is_named(cls, copy_of):
    dataset = copy_of(cls)
    image, label = first_pair(dataset)
    label.unlink()
    with pytest.raises(BenchError, match="has no label") as caught:
        dataset.prepare()
    assert str(image) in str(caught.value)


@pytest.mark.parametrize("cls", READERS)
def test_a_label_without_image_is_named(cls, copy_of):
    dataset = copy_of(cls)
    image, label = first_pair(dataset)
    image.unlink()
    if cls is RoadAnomaly:  # also off the list, which would name the frame itself
        listing = dataset.root / "frame_list.json"
        names = json.loads(listing.read_text())
        listing.write_text(json.dumps([n for n in names if n != image.name]))
    with pytest.raises(BenchError, match="has no image") as caught:
        dataset.prepare()
    assert str(label) in str(caught.value)


@pytest.mark.parametrize("cls", READERS)
def test_a_truncated_image_or_label_is_named_when_it_is_read(cls, copy_of):
    dataset = copy_of(cls)
    for path, read in zip(first_pair(dataset), ("image", "truth"), strict=True):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        dataset.prepare()  # decodes nothing
        with pytest.raises(BenchError, match="cannot be read as an image") as caught:
            getattr(dataset.samples("test")[0], read)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("cls", READERS)
def test_a_file_that_is_no_image_is_named(cls, copy_of):
    dataset = copy_of(cls)
    image, _ = first_pair(dataset)
    image.write_bytes(b"<html>404</html>")
    with pytest.raises(BenchError, match="cannot be read as an image"):
        _ = dataset.samples("test")[0].image


@pytest.mark.parametrize("cls", READERS)
def test_image_and_label_of_different_sizes_are_named(cls, copy_of):
    dataset = copy_of(cls)
    image, label = first_pair(dataset)
    put_label(label, np.zeros((64, 95)))
    with pytest.raises(BenchError, match="95 x 64") as caught:
        _ = dataset.samples("test")[0].truth
    assert str(label) in str(caught.value)
    assert str(image) in str(caught.value)
    assert "96 x 64" in str(caught.value)


@pytest.mark.parametrize(
    ("cls", "value", "allowed"),
    [
        (StreetHazards, 15, "0-14"),
        (Cityscapes, 34, "0-33, 255"),
        (CamVid, 12, "0-11"),
        (RoadAnomaly, 1, "0, 2"),
    ],
)
def test_a_label_value_outside_the_map_is_named_with_the_allowed_ones(cls, value, allowed, copy_of):
    dataset = copy_of(cls)
    _, label = first_pair(dataset)
    values = np.zeros((64, 96))
    values[5, 7] = value
    put_label(label, values)
    with pytest.raises(BenchError, match=f"label value {value} ") as caught:
        _ = dataset.samples("test")[0].truth
    assert str(label) in str(caught.value)
    assert allowed in str(caught.value)


@pytest.mark.parametrize("cls", READERS)
def test_a_colour_coded_label_is_refused(cls, copy_of):
    dataset = copy_of(cls)
    _, label = first_pair(dataset)
    put_label(label, np.zeros((64, 96, 3)))
    with pytest.raises(BenchError, match="one channel"):
        _ = dataset.samples("test")[0].truth


@pytest.mark.parametrize(
    ("cls", "missing"),
    [
        (StreetHazards, "test"),
        (StreetHazards, "train/annotations/validation"),
        (Cityscapes, "gtFine"),
        (Cityscapes, "leftImg8bit/val"),
        (CamVid, "valannot"),
        (CamVid, "test"),
        (RoadAnomaly, "frames"),
    ],
)
def test_a_half_present_folder_is_refused_with_the_missing_folder_and_the_layout(cls, missing, copy_of):
    dataset = copy_of(cls)
    shutil.rmtree(dataset.root / missing)
    with pytest.raises(BenchError) as caught:
        dataset.prepare()
    assert str(dataset.root / missing) in str(caught.value)
    assert dataset.info.layout in str(caught.value)


def test_an_empty_split_is_refused(copy_of):
    dataset = copy_of(CamVid)
    for name in ("val", "valannot"):
        shutil.rmtree(dataset.root / name)
        (dataset.root / name).mkdir()
    with pytest.raises(BenchError, match="holds no images"):
        dataset.prepare()


def test_frames_are_ordered_by_the_value_of_their_numbers(copy_of):
    dataset = copy_of(StreetHazards)
    for kind in ("images", "annotations"):
        folder = dataset.root / "test" / kind / "test"
        source = next((folder / "t5").iterdir())
        for name in ("t10/2.png", "t10/10.png", "t10/9.png"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(source, folder / name)
    keys = [sample.key for sample in dataset.samples("test")]
    assert keys == [
        "test/t5/1",
        "test/t5/3",
        "test/t6/2",
        "test/t6/4",
        "test/t10/2",
        "test/t10/9",
        "test/t10/10",
    ]


def test_two_image_files_for_one_frame_are_refused(copy_of):
    dataset = copy_of(CamVid)
    image, _ = first_pair(dataset)
    shutil.copy(image, image.with_suffix(".jpg"))
    with pytest.raises(BenchError, match="two files for one frame"):
        dataset.prepare()


def test_hidden_files_are_not_frames(copy_of):
    dataset = copy_of(CamVid)
    before = len(dataset.samples("test"))
    (dataset.root / "test" / "._0001TP_006690.png").write_bytes(b"made by a Mac")
    assert len(dataset.samples("test")) == before


def test_the_toys_are_in_the_folders_that_are_documented(toys):
    def files(cls):
        return {p.relative_to(toys[cls]).as_posix() for p in toys[cls].rglob("*") if p.is_file()}

    assert {
        "train/images/training/t1/1.png",
        "train/annotations/validation/t4/1.png",
        "test/annotations/test/t5/1.png",
    } <= files(StreetHazards)
    assert {
        "leftImg8bit/train/ahornberg/ahornberg_000000_000019_leftImg8bit.png",
        "gtFine/val/distelfeld/distelfeld_000000_000019_gtFine_labelIds.png",
    } <= files(Cityscapes)
    assert {"train/0001TP_006690.png", "valannot/0001TP_006690.png"} <= files(CamVid)
    assert {"frame_list.json", "frames/object01.jpg", "frames/object01.labels/labels_semantic.png"} <= files(
        RoadAnomaly
    )
    assert Path(toys[CamVid] / "testannot").is_dir()
