"""Standardized max logit: statistics by hand, suppression and smoothing against scipy."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage
from segalarm.benchmark.interfaces import Item, Pair, Pairs, Prediction, Task, View
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.methods.standardized_maxlogit import (
    StandardizedMaxLogit,
    StandardizedMaxLogitConfig,
    boundaries,
    boundaries_suppressed,
    smoothed,
    statistics,
    widened,
)

SHAPES = pytest.mark.parametrize("shape", [(20, 24), (9, 12, 14)], ids=["image", "volume"])
PLAIN = StandardizedMaxLogitConfig(boundary=0, dilation=0)


def prediction(logits):
    logits = torch.as_tensor(logits, dtype=torch.float32)
    return Prediction(logits.argmax(0), logits.softmax(0).amax(0), logits)


class Toys(Pairs):
    """Two images of one row: class 0 at logits 1, 3 and 5, class 1 at 10 and 20, class 2 nowhere."""

    key = "toys"

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = ([[1, 3, 0]], [[0, 0, 10]], [[-1, -1, -1]]), ([[5, 0, 5]], [[0, 20, 0]], [[-1, -1, -1]])
        return Pair(None, prediction(rows[index]))


CONTEXT = SimpleNamespace(
    device="cpu",
    info=SimpleNamespace(classes=("a", "b", "c")),
    track=lambda items, description, total: items,
)


def fitted(config, folder):
    method = StandardizedMaxLogit(config, Task.ANOMALY)
    method.fit(Toys(), CONTEXT)
    method.save(folder)
    method.load(folder, CONTEXT)
    return method


def test_statistics_are_those_of_the_predicted_class(tmp_path):
    method = fitted(PLAIN, tmp_path)
    values = [np.array([1, 3, 5, 5]), np.array([10, 20]), np.array([1, 3, 5, 5, 10, 20])]
    np.testing.assert_allclose(method._mean, [v.mean() for v in values], rtol=1e-6)
    np.testing.assert_allclose(method._std, [v.std() for v in values], rtol=1e-6)


def test_a_score_is_the_deviations_below_the_mean_of_the_predicted_class(tmp_path):
    method = fitted(PLAIN, tmp_path)
    item = Item(View("a", None), prediction([[[3.5, 0]], [[0, 10]], [[0, 0]]]))
    (scores,) = method.score([item], CONTEXT)
    np.testing.assert_allclose(scores.pixel, [[0, 1]], atol=1e-6)


def test_no_pixels_at_all_is_an_error():
    with pytest.raises(BenchError, match="no training pixels"):
        statistics(torch.zeros(3, 4, dtype=torch.float64))


def scene(shape):
    rng = np.random.default_rng(0)
    labels = np.zeros(shape, np.int64)
    rows, columns = shape[-2:]
    labels[..., rows // 4 : rows // 2, 3:9] = 1
    labels[..., rows // 2 - 2 :, columns // 2 : columns // 2 + 4] = 2
    if len(shape) == 3:
        labels[:2], labels[6:] = 0, 1
    return rng.normal(size=shape).astype(np.float32), labels


def edges(labels):
    cross = ndimage.generate_binary_structure(labels.ndim, 1)
    return ndimage.grey_dilation(labels, footprint=cross) != ndimage.grey_erosion(labels, footprint=cross)


def grown(mask, times=1):
    return ndimage.binary_dilation(mask, ndimage.generate_binary_structure(mask.ndim, 1), iterations=times)


@SHAPES
def test_boundaries_are_where_dilation_and_erosion_differ(shape):
    _, labels = scene(shape)
    expected = edges(labels)
    np.testing.assert_array_equal(boundaries(torch.from_numpy(labels)), expected)
    np.testing.assert_array_equal(widened(torch.from_numpy(expected)), grown(expected))


def reference_suppression(score, labels, width):
    """Pixel by pixel, as the paper's Section 3.3 says it."""
    for wider in range(width - 1, -1, -1):
        mask = grown(edges(labels), wider) if wider else edges(labels)
        padded, outside = np.pad(score, 1, mode="edge"), np.pad(~mask, 1, mode="edge")
        score = score.copy()
        for place in np.argwhere(mask):
            window = tuple(slice(at, at + 3) for at in place)
            if outside[window].any():
                score[tuple(place)] = padded[window][outside[window]].mean()
    return score


@SHAPES
@pytest.mark.parametrize("width", [1, 3, 4])
def test_boundaries_take_their_scores_from_inside(width, shape):
    score, labels = scene(shape)
    found = boundaries_suppressed(torch.from_numpy(score), torch.from_numpy(labels), width)
    np.testing.assert_allclose(found, reference_suppression(score, labels, width), atol=1e-5)


@SHAPES
def test_a_prediction_of_one_class_is_left_alone(shape):
    score, labels = scene(shape)
    found = boundaries_suppressed(torch.from_numpy(score), torch.from_numpy(np.zeros_like(labels)), 4)
    np.testing.assert_array_equal(found, score)


@SHAPES
@pytest.mark.parametrize("dilation", [1, 2, 6])
def test_smoothing_is_a_gaussian_with_holes(dilation, shape):
    score, _ = scene(shape)
    taps = np.zeros(6 * dilation + 1)
    taps[::dilation] = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    taps /= taps.sum()
    expected = score.astype(float)
    for axis in range(score.ndim):
        expected = ndimage.correlate1d(expected, taps, axis=axis, mode="nearest")
    np.testing.assert_allclose(smoothed(torch.from_numpy(score), dilation), expected, atol=1e-5)


def test_what_is_done_at_boundaries_changes_nothing_that_is_learned():
    one, other = (StandardizedMaxLogit(c, Task.ANOMALY) for c in (PLAIN, StandardizedMaxLogitConfig()))
    assert one.fit_key() == other.fit_key()
