"""The slice of a volume that `bench show` draws, and the panels of that slice."""

from dataclasses import replace

import numpy as np
from segalarm.benchmark.figures.sample_panels import panels
from segalarm.benchmark.figures.volume_slice import as_grey, busiest_slice, shown_slice
from segalarm.benchmark.interfaces import Sample, Scores, Task, Truth
from segalarm.datasets.pancreas_mini import PancreasMini

INFO = PancreasMini.info


def volume(label):
    truth = Truth(label, None, np.ones(label.shape, bool))
    ramp = np.linspace(0, 1, label.size, dtype=np.float32).reshape(1, *label.shape)
    return Sample("case", lambda: ramp, lambda: truth)


def test_the_slice_is_the_one_with_the_most_predicted_structure():
    labels = np.zeros((9, 6, 7), np.int64)
    assert busiest_slice(labels, INFO) == 4
    labels[2, :, :] = 1
    assert busiest_slice(labels, INFO) == 2
    labels[7, :3, :3], labels[6, 0, 0] = 2, 2
    assert busiest_slice(labels, INFO) == 7  # the tumour counts, however large the organ is elsewhere


def test_all_panels_are_of_that_slice():
    truth, labels = np.zeros((2, 8, 5, 6), np.int64)
    truth[3, 1:4, 1:4], labels[3, 2:4, 1:5] = 2, 2
    pixel = np.arange(8 * 5 * 6, dtype=np.float32).reshape(8, 5, 6)
    picture = np.repeat(np.arange(4, dtype=np.uint8), 3 * 4).reshape(4, 3, 2, 2).transpose(1, 0, 2, 3)
    sample = volume(truth)
    cut = shown_slice(sample, labels, {"guess": Scores(pixel=pixel, shown={"made": picture})}, INFO)
    shown = {panel.title: panel.picture for panel in panels(*cut, Task.PIXEL_FAILURE, INFO)}
    assert list(shown) == ["case, slice 3", "label", "prediction", "made", "errors", "guess"]
    np.testing.assert_array_equal(shown["guess"], pixel[3])
    np.testing.assert_array_equal(shown["label"][..., 0] > 0, truth[3] > 0)
    np.testing.assert_array_equal(shown["errors"][..., 0] == 255, truth[3] != labels[3])
    assert (shown["made"] == 1).all()  # 4 slices for 8
    grey = shown["case, slice 3"]
    assert (grey[..., 0] == grey[..., 2]).all()
    np.testing.assert_array_equal(grey[..., 0], (sample.image[0, 3] * 255).astype(np.uint8))


def test_standardised_intensities_are_stretched():
    image = np.random.default_rng(0).normal(0, 1, (2, 4, 20, 20)).astype(np.float32)
    grey = as_grey(image)
    assert grey.shape == (3, 4, 20, 20)
    assert grey.min() == 0
    assert grey.max() == 1
    order = np.argsort(image[0].ravel())
    assert (np.diff(grey[0].ravel()[order]) >= 0).all()


def test_a_photograph_is_left_as_it_is():
    info = replace(INFO, ndim=2)
    sample, labels = volume(np.zeros((4, 5, 6), np.int64)), np.zeros((5, 6), np.int64)
    assert shown_slice(sample, labels, {}, info) == (sample, labels, {})
