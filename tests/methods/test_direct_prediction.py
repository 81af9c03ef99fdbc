"""Direct Prediction: SynthCP's network with one branch, for both failure tasks."""

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import Item, Prediction, Preset, Protocol, Task, View
from segalarm.benchmark.plugins.configure import configure
from segalarm.benchmark.segmenters.imagenet_encoders import IMAGENET_MEAN, IMAGENET_STD
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.methods.direct_prediction import DirectPrediction
from segalarm.methods.synthcp.comparison.comparison_config import ComparisonConfig
from segalarm.methods.synthcp.comparison.comparison_network import ComparisonNetwork
from segalarm.methods.synthcp.comparison.scoring import compare, to_scores
from segalarm.methods.synthcp.method import SynthCP
from segalarm.tests.support.reference import fill, needs_reference, vectors


def configured(kind, preset, protocol, **options):
    return configure(kind, "it", options, preset, protocol, Cityscapes.info)


@pytest.mark.parametrize("preset", Preset)
@pytest.mark.parametrize("protocol", Protocol)
def test_it_is_trained_as_synthcps_network_is(preset, protocol):
    mine, theirs = (configured(kind, preset, protocol) for kind in (DirectPrediction, SynthCP))
    assert mine.comparison == theirs.comparison


@needs_reference
@pytest.mark.parametrize("add", [True, False])
def test_scores_are_what_the_published_network_answers(add):
    recorded = vectors("direct_prediction")
    config = ComparisonConfig(pretrained=False, add_probability=add)
    network = ComparisonNetwork(19, config, synthesized=False)
    fill(network)
    probabilities = torch.softmax(recorded["logits"][0], dim=0)
    highest, labels = probabilities.max(dim=0)
    # The network sees images normalised by ImageNet's mean and deviation; a method sees [0, 1].
    mean, std = (torch.tensor(m).view(3, 1, 1) for m in (IMAGENET_MEAN, IMAGENET_STD))
    image = (recorded["image"][0] * std + mean).numpy()
    item = Item(View("a", image), Prediction(labels, highest, None, probabilities))
    found = compare(network, config, item, None, "cpu")
    quality = to_scores(Task.IMAGE_FAILURE, config, found, item).quality
    np.testing.assert_allclose(quality, recorded["iou"][0], rtol=1e-3, atol=1e-4)
    pixels = to_scores(Task.PIXEL_FAILURE, config, found, item)
    expected = recorded["confidence"][0, 0].numpy()
    np.testing.assert_allclose(pixels.confidence, expected, rtol=1e-3, atol=1e-4)
    added = highest.numpy() if add else 0
    np.testing.assert_allclose(-pixels.pixel, expected + added, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("head", "task", "skipped"),
    [
        ("joint", Task.PIXEL_FAILURE, False),
        ("image", Task.IMAGE_FAILURE, False),
        ("image", Task.PIXEL_FAILURE, True),
        ("pixel", Task.IMAGE_FAILURE, True),
    ],
)
def test_a_head_alone_does_one_task(head, task, skipped):
    method = DirectPrediction(configured(DirectPrediction, Preset.SMALL, Protocol.OFFICIAL, head=head), task)
    assert (method.skip(Cityscapes.info) is not None) == skipped


def test_both_tasks_share_one_joint_network():
    config = configured(DirectPrediction, Preset.SMALL, Protocol.OFFICIAL)
    one, other = (DirectPrediction(config, task) for task in (Task.PIXEL_FAILURE, Task.IMAGE_FAILURE))
    assert one.fit_key() == other.fit_key()
