"""MCDropout: statistics of the passes at a pixel, a regression from entropies for an image."""

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import (
    Item,
    MonteCarlo,
    Pair,
    Pairs,
    Prediction,
    Preset,
    Protocol,
    Sample,
    Task,
    Truth,
    View,
)
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.plugins.configure import configure
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.msd import Pancreas
from segalarm.methods.building_blocks.passes_regression import FILE, PassesConfig, write_training_numbers
from segalarm.methods.building_blocks.stochastic_passes import class_entropies, mean_prediction
from segalarm.methods.mcdropout import MCDropout, MCDropoutConfig, uncertainty

H = {p: -p * np.log(p) - (1 - p) * np.log(1 - p) for p in (0.5, 0.3, 0.2)}


def drawn(*maps):
    """The statistics of some passes, float32 (L, H, W) each."""
    stack = torch.stack([torch.tensor(m, dtype=torch.float32) for m in maps])
    entropy = torch.special.entr(stack).sum(1).mean(0)
    return MonteCarlo(len(maps), stack.mean(0), entropy, stack.square().mean(0), stack.log().mean(0))


def test_an_entropy_of_one_class_against_the_rest():
    mean = torch.tensor([[[0.5, 1.0]], [[0.3, 0.0]], [[0.2, 0.0]]])
    expected = [H[0.5] / 2, H[0.3] / 2, H[0.2] / 2]
    np.testing.assert_allclose(class_entropies(mean, torch.tensor([[0, 0]]), "image"), expected, rtol=1e-6)


def test_what_is_averaged():
    passes = drawn([[[0.9]], [[0.1]]], [[[0.5]], [[0.5]]])
    assert mean_prediction(passes, "probabilities")[0, 0, 0] == pytest.approx(0.7)
    # Averaged log odds: (log 9 + log 1) / 2 = log 3.
    assert mean_prediction(passes, "logits")[0, 0, 0] == pytest.approx(0.75)


def test_passes_that_agree_have_no_mutual_information():
    agree, differ = drawn([[[0.9]], [[0.1]]]), drawn([[[0.9]], [[0.1]]], [[[0.1]], [[0.9]]])
    assert uncertainty(agree.mean, agree, "mutual-information")[0, 0] == pytest.approx(0, abs=1e-6)
    assert uncertainty(differ.mean, differ, "mutual-information")[0, 0] == pytest.approx(np.log(2) - H_09)
    assert uncertainty(differ.mean, differ, "variance")[0, 0] == pytest.approx(2 * 0.4**2)


H_09 = -0.9 * np.log(0.9) - 0.1 * np.log(0.1)


class Toys(Pairs):
    """Images whose mean probability of class 1 says how much of class 1 is missed."""

    key = "toys"

    def __len__(self):
        return 8

    def __getitem__(self, index):
        label = np.array([[0] * 8, [1] * 8], np.int64)
        labels = label.copy()
        labels[1, : int(index)] = 0
        probabilities = torch.full((2, 2, 8), 0.5)
        probabilities[0, :, index:], probabilities[1, :, index:] = 1, 0
        truth = Truth(label, None, np.ones((2, 8), bool))
        sample = Sample(str(index), lambda: np.zeros((3, 2, 8), np.float32), lambda: truth)
        passes = MonteCarlo(2, probabilities, probabilities[0], probabilities**2)
        labels = torch.from_numpy(labels)
        return Pair(sample, Prediction(labels, probabilities[0], monte_carlo={2: passes}))


class Info:
    classes = ("a", "b")
    ndim = 2


class Context:
    """As much of a run's as the method asks for."""

    info = Info

    def __init__(self, folder):
        self.folder = folder

    def track(self, items, description, total):
        return items

    def artifact(self, name, config, build, inputs):
        assert inputs == ["toys"]
        build(self.folder, self)
        return self.folder


def test_entropies_are_paired_with_the_iou_of_their_own_image(tmp_path):
    write_training_numbers(Toys(), PassesConfig(passes=2), tmp_path, Context(tmp_path))
    with np.load(tmp_path / FILE) as stored:
        entropies, iou = stored["probabilities of image"], stored["quality"]
    n = np.arange(8)
    np.testing.assert_allclose(entropies, np.stack([n / 8 * np.log(2)] * 2, 1), rtol=1e-6)
    np.testing.assert_allclose(iou, np.stack([8 / (8 + n), (8 - n) / 8], 1))


def test_an_image_without_uncertainty_is_predicted_to_be_good(tmp_path):
    method = MCDropout(MCDropoutConfig(passes=2), Task.IMAGE_FAILURE)
    method.fit(Toys(), Context(tmp_path))
    found = [
        method.score([Item(View("", None), Toys()[index].prediction)], None)[0].quality for index in (0, 4, 7)
    ]
    # IoU of class 1 is linear in the entropy; the ridge shrinks the slope a little.
    np.testing.assert_allclose([q[1] for q in found], [1, 0.5, 0.125], atol=0.07)
    assert found[0][0] > found[1][0] > found[2][0]


def test_passes_without_logits_say_what_to_set(tmp_path):
    passes = MonteCarlo(2, torch.ones(1, 1, 1), torch.ones(1, 1), torch.ones(1, 1, 1))
    with pytest.raises(BenchError, match=r"mcdropout\.average=probabilities"):
        mean_prediction(passes, "logits")
    method = MCDropout(MCDropoutConfig(passes=2, average="logits"), Task.IMAGE_FAILURE)
    with pytest.raises(BenchError, match=r"mcdropout\.average=probabilities"):
        method.fit(Toys(), Context(tmp_path))


@pytest.mark.parametrize(("info", "aggregator"), [(Cityscapes.info, "image"), (Pancreas.info, "structure")])
def test_images_are_averaged_whole_as_published_and_volumes_by_structure(info, aggregator):
    config = configure(MCDropout, "mcdropout", {}, Preset.FULL, Protocol.OFFICIAL, info)
    assert config.aggregator == aggregator
