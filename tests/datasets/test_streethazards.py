import numpy as np
import pytest
from PIL import Image
from segalarm.benchmark.interfaces import VOID
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.datasets.streethazards import StreetHazards


@pytest.fixture
def dataset(tmp_path):
    return StreetHazards.toy(tmp_path)


def write_test_label(dataset, values):
    path = dataset.samples("test")[0]._read_truth.args[1]
    Image.fromarray(values).save(path)
    return dataset.samples("test")[0].truth


def test_png_values_are_class_plus_one(dataset):
    values = np.ones((64, 96), np.uint8)
    values[0, :15] = range(15)
    truth = write_test_label(dataset, values)
    assert truth.label[0, :15].tolist() == [VOID, *range(13), VOID]


def test_anomalous_pixels_are_scored_as_anomalies_but_have_no_class(dataset):
    values = np.full((64, 96), 8, np.uint8)
    values[10:20, 30:40] = 14
    truth = write_test_label(dataset, values)
    expected = values == 14
    np.testing.assert_array_equal(truth.anomaly, expected)
    np.testing.assert_array_equal(truth.label == VOID, expected)
    assert truth.valid.all()


def test_png_zero_is_void_and_not_anomalous(dataset):
    values = np.full((64, 96), 8, np.uint8)
    values[:5] = 0
    truth = write_test_label(dataset, values)
    np.testing.assert_array_equal(truth.valid, values != 0)
    assert not truth.anomaly.any()


def test_an_anomaly_in_the_training_split_is_an_error(dataset):
    path = dataset.samples("train")[0]._read_truth.args[1]
    Image.fromarray(np.full((64, 96), 14, np.uint8)).save(path)
    with pytest.raises(BenchError, match=r"label value 14 .* 0-13"):
        _ = dataset.samples("train")[0].truth


def test_the_group_is_the_town(dataset):
    assert {sample.group for sample in dataset.samples("train")} == {"t1", "t2", "t3"}
