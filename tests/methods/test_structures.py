"""Confidence averaged over the predicted structure, and the methods of pixels on volumes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import special, stats
from segalarm.benchmark.interfaces import FitOn, Item, Needs, Pair, Prediction, Sample, Task, Truth, View
from segalarm.methods.building_blocks.structures import mean_confidence
from segalarm.methods.energy import Energy
from segalarm.methods.ensemble import Ensemble
from segalarm.methods.entropy import Entropy
from segalarm.methods.maxlogit import MaxLogit
from segalarm.methods.mcdropout import MCDropout
from segalarm.methods.msp import MSP
from segalarm.tests.support.toy_organs import SHAPE, Blobs, context, fitted, items, method


def test_the_mean_confidence_of_each_class():
    confidence = torch.tensor([[[0.5, 0.7], [0.9, 1.0]]])
    labels = torch.tensor([[[0, 0], [2, 0]]])
    np.testing.assert_allclose(mean_confidence(confidence, labels, 3, "structure"), [2.2 / 3, 0, 0.9])
    np.testing.assert_allclose(mean_confidence(confidence, labels, 3, "image"), [0.775, 0, 0.775])


@pytest.mark.parametrize("aggregator", ["structure", "image"])
def test_msp_says_how_sure_the_segmenter_is_of_a_structure(aggregator, tmp_path):
    run, blobs = context(tmp_path), items()
    alarm = method(MSP, aggregator=aggregator)
    found = alarm.score(blobs, run)
    for item, scores in zip(blobs, found, strict=True):
        where = item.prediction.labels == 1 if aggregator == "structure" else slice(None)
        assert scores.quality[1] == pytest.approx(float(item.prediction.confidence[where].mean()))
        assert scores.pixel is None
    assert alarm.needs() == Needs()
    assert (np.diff([scores.quality[1] for scores in found]) < 0).all()


def test_an_ensemble_says_how_sure_its_members_are(tmp_path):
    item = items()[6]
    (found,) = method(Ensemble).score([item], context(tmp_path))
    mean = item.prediction.members[:2].mean(0)
    expected = mean[1][item.prediction.labels == 1].mean()
    assert found.quality[1] == pytest.approx(float(expected))


@pytest.mark.parametrize("kind", [MSP, Entropy, MaxLogit, Energy, MCDropout, Ensemble])
def test_a_method_of_pixels_scores_voxels(kind, tmp_path):
    item = items()[5]
    (found,) = method(kind, Task.PIXEL_FAILURE).score([item], context(tmp_path))
    assert found.pixel.shape == SHAPE
    assert found.pixel.dtype == np.float32


def test_an_image_that_lacks_classes_has_a_finite_quality(tmp_path):
    labels = torch.zeros(4, 5, dtype=torch.int64)
    item = Item(View("a", np.zeros((3, 4, 5), np.float32)), Prediction(labels, torch.full((4, 5), 0.8)))
    (found,) = method(MSP).score([item], context(tmp_path))
    np.testing.assert_allclose(found.quality, [0.8, 0, 0])


MAPS = {
    Entropy: lambda prediction: stats.entropy(prediction.probabilities, axis=0),
    MaxLogit: lambda prediction: -prediction.logits.numpy().max(0),
    Energy: lambda prediction: -special.logsumexp(prediction.logits, axis=0),
}
TRAINED = pytest.mark.parametrize("kind", list(MAPS))


@TRAINED
def test_a_map_scores_pixels_without_training(kind, tmp_path):
    for task in (Task.PIXEL_FAILURE, Task.ANOMALY):
        alarm = method(kind, task)
        assert alarm.fit_on() is None
        (found,) = alarm.score(items()[5:6], None)
        np.testing.assert_allclose(found.pixel, MAPS[kind](items()[5].prediction), rtol=1e-5)


@TRAINED
@pytest.mark.parametrize("aggregator", ["structure", "image"])
def test_its_mean_over_the_structure_is_what_the_quality_is_regressed_from(kind, aggregator, tmp_path):
    alarm, run = fitted(kind, tmp_path, aggregator=aggregator)
    assert alarm.fit_on() == FitOn.out_of_fold(alarm.needs())
    prediction = items()[4].prediction
    where = prediction.labels.numpy() == 1 if aggregator == "structure" else ...
    assert alarm.class_numbers(prediction, run)[1] == pytest.approx(
        MAPS[kind](prediction)[where].mean(), rel=1e-5
    )
    # The last volumes miss most of their structures, and the segmenter is the least sure of them.
    quality = np.stack([scores.quality for scores in alarm.score(items(), run)])
    assert (np.diff(quality[:, 1]) < 0).all()
    assert quality[0, 1] == pytest.approx(1, abs=0.1)


class Slices(Blobs):
    """A slice of each volume."""

    def __getitem__(self, index):
        pair = super().__getitem__(index)
        at = pair.prediction
        cut = Prediction(at.labels[7], at.confidence[7], at.logits[:, 7], at.probabilities[:, 7])
        label = pair.sample.truth.label[7]
        truth = Truth(label, None, np.ones(label.shape, bool))
        image = np.zeros((3, *label.shape), np.float32)
        return Pair(Sample(pair.sample.key, lambda: image, lambda: truth), cut)


@TRAINED
def test_in_images_a_class_is_the_structure(kind, tmp_path):
    run = context(tmp_path)
    alarm = method(kind)
    alarm.fit(Slices(), replace(run, info=replace(run.info, ndim=2)))
    found = [alarm.score([Item(None, pair.prediction)], run)[0].quality[1] for pair in Slices()]
    assert (np.diff(found) < 0).all()


def test_a_structure_that_no_fold_finds_is_not_as_good_as_the_background(tmp_path):
    class Missed(Blobs):
        def __getitem__(self, index):
            pair = super().__getitem__(index)
            pair.prediction.labels[pair.prediction.labels == 2] = 0
            return pair

    alarm, run = method(Entropy), context(tmp_path)
    alarm.fit(Missed(), run)
    (found,) = alarm.score(items()[:1], run)
    organ = np.mean([dice_of_organ(pair) for pair in Missed()])
    assert found.quality[2] == pytest.approx(organ)


def dice_of_organ(pair):
    label, labels = pair.sample.truth.label == 1, pair.prediction.labels.numpy() == 1
    return 2 * (label & labels).sum() / (label.sum() + labels.sum())
