"""Confidence averaged over the predicted structure, and the methods of pixels on volumes."""

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import Item, Needs, Prediction, Task, View
from segalarm.methods.energy import Energy
from segalarm.methods.ensemble import Ensemble
from segalarm.methods.entropy import Entropy
from segalarm.methods.maxlogit import MaxLogit
from segalarm.methods.mcdropout import MCDropout
from segalarm.methods.msp import MSP
from segalarm.methods.structures import mean_confidence
from segalarm.tests.volumes import SHAPE, context, items, method


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
    prediction = item.prediction
    prediction.logits = prediction.probabilities.log()
    (found,) = method(kind, Task.PIXEL_FAILURE).score([item], context(tmp_path))
    assert found.pixel.shape == SHAPE
    assert found.pixel.dtype == np.float32


def test_an_image_that_lacks_classes_has_a_finite_quality(tmp_path):
    labels = torch.zeros(4, 5, dtype=torch.int64)
    item = Item(View("a", np.zeros((3, 4, 5), np.float32)), Prediction(labels, torch.full((4, 5), 0.8)))
    (found,) = method(MSP).score([item], context(tmp_path))
    np.testing.assert_allclose(found.quality, [0.8, 0, 0])
