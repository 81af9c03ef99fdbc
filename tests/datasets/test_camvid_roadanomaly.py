"""The real CamVid and Road Anomaly in place, where this machine has them, and what is peculiar to either."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import segalarm
from PIL import Image
from segalarm.benchmark.data.folders import locate, status, variant_of
from segalarm.benchmark.interfaces import VOID
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.datasets.camvid import CamVid
from segalarm.datasets.roadanomaly import RoadAnomaly

REPOSITORY = Path(segalarm.__file__).parent
DATA = Path(os.environ.get("BENCH_DATA", REPOSITORY.parent / "shared" / "data"))


def real(cls):
    try:
        return cls(locate(cls, DATA))
    except BenchError as error:
        pytest.skip(f"real {cls.info.name} is not on this machine: {error}")


def test_real_camvid_is_read_in_place():
    dataset = real(CamVid)
    dataset.prepare()
    variant_of(dataset, {})
    assert [row.found for row in status(dataset)] == [367, 101, 233]
    seen = set()
    for sample in dataset.samples("test")[::20]:
        assert sample.image.shape == (3, 360, 480)
        np.testing.assert_array_equal(sample.truth.valid, sample.truth.label != VOID)
        seen.update(np.unique(sample.truth.label).tolist())
    assert seen == {*range(11), VOID}


def test_real_camvid_label_ids_are_kept():
    dataset = real(CamVid)
    sample = dataset.samples("train")[0]
    png = np.asarray(Image.open(dataset.root / "trainannot" / f"{Path(sample.key).name}.png"))
    np.testing.assert_array_equal(sample.truth.label, np.where(png == 11, VOID, png))


def test_real_roadanomaly_subset_is_read_in_place_as_a_variant():
    dataset = real(RoadAnomaly)
    dataset.prepare()
    found = len(dataset.samples("test"))
    if found == 36:
        with pytest.raises(BenchError, match=r"test has 36 images \(release: 60\).*--variant"):
            variant_of(dataset, {})
        variant_of(dataset, {"": "cc36"})
    sample = dataset.samples("test")[0]
    assert sample.image.shape[1:] == sample.truth.anomaly.shape
    assert sample.truth.anomaly.any()
    assert not sample.truth.anomaly.all()


@pytest.fixture
def road(tmp_path):
    return RoadAnomaly.toy(tmp_path)


def test_roadanomaly_has_no_classes_and_scores_every_pixel(road):
    for sample in road.samples("test"):
        png = np.asarray(Image.open(sample._read_truth.args[1]))
        np.testing.assert_array_equal(sample.truth.anomaly, png == 2)
        assert (sample.truth.label == VOID).all()
        assert sample.truth.valid.all()
    assert road.info.classes == ()


def test_roadanomaly_is_a_test_set_only(road):
    assert len(road.samples("train")) == len(road.samples("validation")) == 0


def test_a_frame_taken_off_the_list_is_left_out(road):
    listing = road.root / "frame_list.json"
    names = json.loads(listing.read_text())
    listing.write_text(json.dumps(names[1:]))
    road.prepare()
    assert len(road.samples("test")) == len(names) - 1


def test_a_listed_frame_that_is_missing_is_named(road):
    listing = road.root / "frame_list.json"
    listing.write_text(json.dumps([*json.loads(listing.read_text()), "object99.jpg"]))
    with pytest.raises(BenchError, match=r"object99\.jpg: listed"):
        road.prepare()


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]", '["../../secret.jpg"]'])
def test_a_damaged_frame_list_is_named(text, road):
    (road.root / "frame_list.json").write_text(text)
    with pytest.raises(BenchError, match=r"frame_list\.json"):
        road.prepare()


def test_camvid_void_is_not_valid(tmp_path):
    dataset = CamVid.toy(tmp_path)
    path = dataset.samples("test")[0]._read_truth.args[1]
    values = np.arange(64 * 96).reshape(64, 96) % 12
    Image.fromarray(values.astype(np.uint8)).save(path)
    truth = dataset.samples("test")[0].truth
    np.testing.assert_array_equal(truth.valid, values != 11)
    np.testing.assert_array_equal(truth.label, np.where(values == 11, VOID, values))
