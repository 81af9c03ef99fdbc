"""The perceptual loss of the cGAN is the published one, whose VGG-19 sees images in [-1, 1] as they are."""

import pytest
import torch
from segalarm.benchmark.interfaces import Preset, Protocol
from segalarm.benchmark.plugins.configure import configure
from segalarm.benchmark.segmenters.imagenet_encoders import IMAGENET_MEAN, IMAGENET_STD
from segalarm.benchmark.weights.pretrained import VGG19
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards
from segalarm.methods.synthcp.cgan import perceptual
from segalarm.methods.synthcp.cgan.perceptual import Perceptual
from segalarm.methods.synthcp.method import SynthCP
from segalarm.tests.support.reference import fill, needs_pipeline_vectors, pipeline_vectors
from torchvision.models.vgg import cfgs, make_layers


@pytest.fixture
def vgg19_by_rule(monkeypatch):
    """VGG-19 has the weights of the reference's rule in place of ImageNet's."""

    def layers(number):
        network = make_layers(cfgs["E"])
        fill(network)
        return network[:number]

    monkeypatch.setattr(perceptual, "vgg19_features", layers)


def cgan_config(preset, dataset):
    return configure(SynthCP, "synthcp", {}, preset, Protocol.OFFICIAL, dataset.info).cgan


@needs_pipeline_vectors
@pytest.mark.parametrize("dataset", [StreetHazards, Cityscapes])
def test_the_loss_at_full_is_the_recorded_one(vgg19_by_rule, dataset):
    config = cgan_config(Preset.FULL, dataset)
    recorded = pipeline_vectors("perceptual")
    loss = Perceptual(config.perceptual_weights, "cpu", config.perceptual_normalised)
    found = loss(recorded["x"], recorded["y"]).double()
    torch.testing.assert_close(found, recorded["expected"], rtol=0, atol=1e-5)


@needs_pipeline_vectors
def test_a_normalised_input_is_that_of_imagenet(vgg19_by_rule):
    recorded = pipeline_vectors("perceptual")
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    x, y = (((recorded[name] + 1) / 2 - mean) / std for name in "xy")
    found = Perceptual(VGG19, "cpu", normalised=True)(recorded["x"], recorded["y"])
    torch.testing.assert_close(found, Perceptual(VGG19, "cpu", normalised=False)(x, y))
    assert found.item() > 1.5 * recorded["expected"].item()


@pytest.mark.parametrize("preset", [Preset.SMALL, Preset.SMOKE])
def test_smaller_presets_normalise(preset):
    assert cgan_config(preset, StreetHazards).perceptual_normalised
