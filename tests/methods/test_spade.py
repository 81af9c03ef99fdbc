"""SPADE's networks equal the published ones; its losses equal hand-worked numbers."""

import pytest
import torch
import torch.nn.functional as F
from segalarm.benchmark.interfaces import Preset, Protocol
from segalarm.benchmark.plugins.configure import configure
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards
from segalarm.methods.synthcp.cgan import label_pyramid
from segalarm.methods.synthcp.cgan.cgan_training import make_generator
from segalarm.methods.synthcp.cgan.discriminator import Discriminator
from segalarm.methods.synthcp.cgan.gan_losses import discriminator_hinge, feature_matching, generator_hinge
from segalarm.methods.synthcp.cgan.label_pyramid import LabelLevel, distinct_neighbourhoods
from segalarm.methods.synthcp.cgan.spade import SPADE, Generator, multiple
from segalarm.methods.synthcp.method import SynthCP
from segalarm.tests.support.reference import (
    fill,
    needs_pipeline_vectors,
    needs_reference,
    pipeline_vectors,
    shapes,
    vectors,
)


def one_hot(label, classes):
    """(B, H, W) to (B, classes, H, W); a label beyond the classes is void, all zeros."""
    return F.one_hot(label.clamp(max=classes), classes + 1)[..., :classes].movedim(-1, 1).float()


def labels(batch=2, classes=5, size=(32, 64)):
    drawn = torch.randint(0, classes, (batch, *size), generator=torch.Generator().manual_seed(0))
    return one_hot(drawn, classes)


def shapes_of(network):
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


@needs_reference
@pytest.mark.parametrize("distinct", [0, 1], ids=["by convolution", "by neighbourhood"])
@pytest.mark.parametrize(("upsampling", "classes"), [("more", 19), ("normal", 13)])
def test_the_generator_equals_the_recorded_one(monkeypatch, upsampling, classes, distinct):
    monkeypatch.setattr(label_pyramid, "DISTINCT", distinct)
    recorded = vectors(f"spade_generator_{upsampling}_upsampling")
    network = Generator(classes, ngf=8, size=(64, 128), upsampling=upsampling)
    assert shapes_of(network) == shapes(f"spade_generator_{upsampling}_upsampling")
    fill(network)
    with torch.no_grad():
        got = network(one_hot(recorded["label"], classes))
    torch.testing.assert_close(got, recorded["output"], rtol=1e-3, atol=1e-5)


@needs_pipeline_vectors
def test_the_generator_of_streethazards_at_full_paints_what_was_published():
    config = configure(SynthCP, "synthcp", {}, Preset.FULL, Protocol.OFFICIAL, StreetHazards.info).cgan
    assert config.size == (256, 512)
    # The recorded generator is narrower than the published one, so that the recording is small.
    network = make_generator(config.model_copy(update={"ngf": 8}), config.size, 13, 3)
    fill(network)
    recorded = pipeline_vectors("spade13_more")
    with torch.no_grad():
        image = network(one_hot(recorded["label"][None].long(), 13))[0]
    torch.testing.assert_close(image[:, 3::8, 3::8], recorded["output"], rtol=0, atol=1e-5)
    moments = torch.stack([image.mean(), image.std(correction=0), image.min(), image.max()])
    torch.testing.assert_close(moments, recorded["moments"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("dataset", [StreetHazards, Cityscapes])
def test_both_street_data_sets_have_the_published_upsampling_at_full(dataset, protocol):
    config = configure(SynthCP, "synthcp", {}, Preset.FULL, protocol, dataset.info)
    assert config.cgan.upsampling == "more"


@needs_reference
@pytest.mark.parametrize("classes", [13, 19])
def test_the_generator_has_the_published_keys_and_shapes(classes):
    with torch.device("meta"):
        network = Generator(classes, ngf=64)
    assert shapes_of(network) == shapes(f"spade_generator_{classes}classes_ngf64")


@needs_reference
def test_the_discriminator_has_the_published_keys_and_shapes():
    with torch.device("meta"):
        network = Discriminator(classes=19)
    assert shapes_of(network) == shapes("spade_discriminator_cityscapes")


@pytest.mark.parametrize("size", [(32, 64), (64, 32), (70, 100)])
@pytest.mark.parametrize("upsampling", ["less", "normal", "more", "most"])
def test_the_generator_has_any_size_and_aspect(size, upsampling):
    network = Generator(5, 4, size, upsampling).eval()
    assert all(length >= wanted for length, wanted in zip(network.size, size, strict=True))
    with torch.no_grad():
        assert network(labels(1, 5, network.size)).shape == (1, 3, *network.size)


def test_norms_of_the_generator_are_chosen():
    plain = Generator(5, 4, (64, 64), norm="none", spade="instance")
    assert not any("weight_orig" in key or "running_mean" in key for key in plain.state_dict())
    with torch.no_grad():
        together = plain(labels(2, 5, (64, 64)))
        alone = plain(labels(2, 5, (64, 64))[:1])
    # Unlike batch norm, instance norm in training sees no other image of the batch.
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("classes", [1, 5])
def test_distinct_neighbourhoods_give_what_convolutions_give(classes):
    blocks = torch.randint(0, classes + 1, (3, 4, 5), generator=torch.Generator().manual_seed(0))
    maps = one_hot(blocks.repeat_interleave(7, 1).repeat_interleave(9, 2), classes)
    distinct = distinct_neighbourhoods(maps)
    assert len(distinct.parts) < distinct.nearby.numel() / 2
    norm = SPADE(6, classes)
    x = torch.randn(3, 6, *maps.shape[2:])
    expected = norm(x, LabelLevel(maps, None))
    got = norm(x, LabelLevel(maps, distinct))
    torch.testing.assert_close(got, expected)
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((y * weights).sum(), norm.parameters()) for y in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "maps",
    [
        torch.full((1, 2, 16, 16), 0.5),
        torch.ones(1, 2, 16, 16),
        torch.zeros(1, 150, 16, 16),
        labels(size=(16, 16)),
    ],
    ids=["soft", "two classes at once", "too many classes", "all distinct"],
)
def test_other_labels_are_convolved(maps):
    assert distinct_neighbourhoods(maps) is None


@pytest.mark.parametrize("upsampling", ["normal", "more", "most"])
def test_the_size_is_rounded_up(upsampling):
    factor = multiple(upsampling)
    network = Generator(classes=3, ngf=2, size=(factor - 5, factor + 1), upsampling=upsampling).eval()
    assert network.size == (factor, 2 * factor)
    assert network(labels(1, 3, network.size)).shape == (1, 3, factor, 2 * factor)


def test_a_map_of_void_gives_an_image():
    image = Generator(classes=5, ngf=2, size=(32, 64)).eval()(torch.zeros(1, 5, 32, 64))
    assert image.isfinite().all()
    assert image.abs().max() <= 1


@pytest.mark.parametrize("norm", ["spectral", "none"])
def test_the_generator_learns_everywhere(norm):
    network = Generator(classes=5, ngf=2, size=(64, 64), norm=norm)
    network(labels(size=(64, 64))).square().sum().backward()
    missing = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert not missing


def test_the_discriminator_learns_everywhere():
    network = Discriminator(classes=5, ndf=4)
    images = torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    generator_hinge(network(torch.cat((labels(), images), 1))).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_the_discriminator_returns_features_then_logits_at_each_scale():
    found = Discriminator(classes=5, ndf=4)(torch.zeros(2, 8, 32, 64))
    assert [[tuple(layer.shape[1:]) for layer in scale] for scale in found] == [
        [(4, 17, 33), (8, 9, 17), (16, 5, 9), (32, 6, 10), (1, 7, 11)],
        [(4, 9, 17), (8, 5, 9), (16, 3, 5), (32, 4, 6), (1, 5, 7)],
    ]


def test_weights_start_small_and_biases_at_zero():
    conv = Generator(classes=5, ngf=16).head_0.norm_0.mlp_gamma
    fan = 9 * (128 + 256)
    assert conv.weight.std().item() == pytest.approx(0.02 * (2 / fan) ** 0.5, rel=0.02)
    assert not conv.bias.any()


@needs_pipeline_vectors
def test_the_losses_of_the_game_are_the_recorded_ones():
    recorded = pipeline_vectors("gan")
    fake, real = (
        [[recorded[f"{of}_{d}_{j}"] for j in range(4)] for d in range(2)] for of in ("fake", "real")
    )
    of_fake, of_real, of_generator, matching = recorded["expected"]
    found = [discriminator_hinge(real, fake), generator_hinge(fake), feature_matching(fake, real, weight=10)]
    expected = torch.stack([of_fake + of_real, of_generator, matching])
    torch.testing.assert_close(torch.stack(found).double(), expected, rtol=0, atol=1e-5)


REAL = [[torch.tensor([1.0, 2.0]), torch.tensor([0.0, 3.0])], [torch.tensor([0.0]), torch.tensor([-1.0])]]
FAKE = [[torch.tensor([1.5, 4.0]), torch.tensor([-2.0, 1.0])], [torch.tensor([1.0]), torch.tensor([0.5])]]


def test_hinge_of_the_discriminator():
    # scale 0: (1 + 0) / 2 + (0 + 2) / 2 = 1.5; scale 1: 2 + 1.5 = 3.5
    assert discriminator_hinge(REAL, FAKE).item() == pytest.approx(2.5)


def test_hinge_of_the_generator():
    # scale 0: -(-2 + 1) / 2 = 0.5; scale 1: -0.5
    assert generator_hinge(FAKE).item() == pytest.approx(0)
    assert generator_hinge(FAKE[:1]).item() == pytest.approx(0.5)


def test_feature_matching_leaves_the_logits_out():
    # scale 0: (0.5 + 2) / 2 = 1.25; scale 1: 1
    assert feature_matching(FAKE, REAL, weight=10).item() == pytest.approx(11.25)


def test_feature_matching_has_no_gradient_for_the_real():
    real, fake = torch.zeros(3, requires_grad=True), torch.ones(3, requires_grad=True)
    feature_matching([[fake, fake]], [[real, real]], weight=6).backward()
    assert real.grad is None
    assert fake.grad.tolist() == pytest.approx([2.0, 2.0, 2.0])
