"""Out-of-fold predictions: the slices, and what is stored."""

import numpy as np
import pytest
import torch
from segalarm import Needs, Sample, Truth
from segalarm.benchmark.conformance.colour_segmenter import ColourSegmenter
from segalarm.benchmark.interfaces import Config
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.training import fold_predictions as folds
from segalarm.datasets.streethazards import StreetHazards


def read(number):
    return np.random.default_rng(number).random((3, 8, 12), np.float32)


def truth():
    return Truth(np.zeros((8, 12), np.int64), None, np.ones((8, 12), bool))


class Numbered:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        number = range(10)[index]
        return Sample(f"s{number}", lambda: read(number), truth)


@pytest.mark.parametrize("count", [4, 5, 7, 10, 367, 2975])
def test_slices_are_those_of_the_published_code(count):
    assert folds.bounds(count) == [(int(k * count / 4), int((k + 1) * count / 4)) for k in range(4)]


def test_too_few_samples_for_a_fold_are_an_error():
    with pytest.raises(BenchError, match="3 training samples"):
        folds.bounds(3)


def test_a_fold_keeps_what_it_does_not_leave_out():
    for k in range(4):
        kept, left_out = folds.kept_and_left_out(Numbered(), k)
        keys = [s.key for s in kept] + [s.key for s in left_out]
        assert sorted(keys) == sorted(f"s{n}" for n in range(10))
    assert [s.key for s in folds.kept_and_left_out(Numbered(), 1)[1]] == ["s2", "s3", "s4"]


def test_a_slice_can_be_sliced():
    kept, _ = folds.kept_and_left_out(Numbered(), 0)
    assert [sample.key for sample in kept[1:3]] == ["s3", "s4"]


def test_stored_predictions_are_what_the_segmenter_said(tmp_path):
    model = ColourSegmenter(Config(), StreetHazards.info)
    needs = Needs(logits=True, probabilities=True)
    samples = Numbered()
    folds.write_predictions(tmp_path, 0, folds.Slice(samples, range(6)), model, needs, "cpu", 0)
    folds.write_predictions(tmp_path, 6, folds.Slice(samples, range(6, 10)), model, needs, "cpu", 0)
    pairs = folds.StoredPairs(samples, "key", tmp_path)
    assert len(pairs) == 10
    for pair in (pairs[0], pairs[7], *pairs[-2:]):
        expected = model.predict(torch.from_numpy(pair.sample.image)[None], [pair.sample.key], needs, 0)[0]
        assert torch.equal(pair.prediction.labels, expected.labels)
        assert torch.equal(pair.prediction.confidence, expected.confidence)
        torch.testing.assert_close(pair.prediction.logits, expected.logits, atol=1e-2, rtol=1e-3)
        assert pair.prediction.logits.dtype == torch.float32


def test_predictions_of_other_samples_are_refused(tmp_path):
    model = ColourSegmenter(Config(), StreetHazards.info)
    folds.write_predictions(tmp_path, 0, folds.Slice(Numbered(), range(4)), model, Needs(), "cpu", 0)
    with pytest.raises(BenchError, match="other samples"):
        folds.StoredPairs(Numbered(), "key", tmp_path)
