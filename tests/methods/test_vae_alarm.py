"""VAE alarm: the VAE's loss, what it rebuilds, in two and in three dimensions."""

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from segalarm.benchmark.errors import BenchError
from segalarm.benchmark.interfaces import VOID, Sample, Truth
from segalarm.methods.labels import one_hot
from segalarm.methods.vae_alarm.vae import (
    VAE,
    LabelMaps,
    ShapeModel,
    VAEConfig,
    _size,
    elbo,
    train_vae,
)

TINY = VAEConfig(size=(16, 16), widths=(8, 16), latent=4, batch_size=4, steps=150, learning_rate=5e-3)


def scene(index):
    """A horizon that varies: class 0 above, 1 below."""
    label = np.ones((16, 16), np.int64)
    label[: 4 + index % 8] = 0
    truth = Truth(label, None, np.ones(label.shape, bool))
    return Sample(str(index), lambda: np.zeros((3, 16, 16), np.float32), lambda: truth)


class Context:
    """As much of a run's as training asks for."""

    device, precision, seed = "cpu", "32", 0
    train: ClassVar = [scene(index) for index in range(8)]

    info = SimpleNamespace(classes=("sky", "road", "car"))

    def __init__(self, folder):
        self.workspace = folder

    def track(self, items, description, total):
        return items


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    train_vae(TINY, folder, Context(folder))
    return ShapeModel(folder, TINY, 3, "cpu")


def test_a_shape_as_in_training_is_rebuilt_and_a_strange_one_is_not(shapes):
    usual = torch.from_numpy(scene(3).truth.label)
    strange = torch.from_numpy((np.indices((16, 16)).sum(0) % 2).astype(np.int64))
    losses = shapes.loss(torch.stack([usual, strange]))
    assert losses[0] * 5 < losses[1]
    overlap = shapes.overlap(torch.stack([usual, strange]))
    assert overlap.shape == (2, 3)
    assert (overlap[0, :2] > 0.8).all()
    assert (overlap[1, :2] < 0.6).all()
    assert (overlap[:, 2] == 0).all()


def test_a_map_of_another_size_is_seen_at_the_vaes_own(shapes):
    usual = torch.from_numpy(scene(3).truth.label)[None]
    large = usual.repeat_interleave(3, 1).repeat_interleave(2, 2)
    torch.testing.assert_close(shapes.overlap(large), shapes.overlap(usual))


@pytest.mark.parametrize("size", [(16, 24), (8, 16, 8)])
def test_the_dimensions_are_a_parameter(size):
    vae = VAE(3, size, TINY)
    labels = torch.randint(0, 3, (2, *size), generator=torch.Generator().manual_seed(0))
    reconstruction, divergence, logits = elbo(vae, labels, 3, 1.0, sample=False)
    assert logits.shape == (2, 3, *size)
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none").flatten(1).mean(1)
    torch.testing.assert_close(reconstruction, expected)
    assert (divergence > 0).all()


def test_the_divergence_is_that_of_two_gaussians():
    vae = VAE(3, (16, 16), TINY)
    labels = torch.zeros(1, 16, 16, dtype=torch.int64)
    mean, log_variance = vae.encode(one_hot(labels, 3))
    own = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).sum()
    _, divergence, _ = elbo(vae, labels, 3, 2.0, sample=False)
    torch.testing.assert_close(divergence[0], 2 * expected / 256)


def test_void_has_no_part_in_the_loss():
    vae = VAE(3, (16, 16), TINY)
    labels = torch.zeros(2, 16, 16, dtype=torch.int64)
    labels[0, 8:] = VOID
    labels[1] = VOID
    reconstruction, _, logits = elbo(vae, labels, 3, 1.0, sample=False)
    each = torch.nn.functional.cross_entropy(logits[:1, :, :8], labels[:1, :8])
    torch.testing.assert_close(reconstruction[0], each)
    assert reconstruction[1] == 0
    assert (one_hot(labels, 3)[1] == 0).all()


def test_batches_hold_void_where_nothing_is_scored():
    valid = np.ones((16, 16), bool)
    valid[:8] = False
    truth = Truth(np.zeros((16, 16), np.int64), None, valid)
    maps = LabelMaps([Sample("a", None, lambda: truth)], (8, 8), 2, False, 0)
    found = maps(0)
    assert found.dtype == np.int64
    assert (found[:, :4] == VOID).all()
    assert (found[:, 4:] == 0).all()


def test_sizes_follow_the_data_and_fit_the_strides():
    assert _size(VAEConfig(size=64, widths=(4, 4, 4, 4)), (360, 480)) == (64, 80)
    assert _size(VAEConfig(size=(20, 20, 20), widths=(4, 4)), (50, 60, 70)) == (20, 20, 20)
    with pytest.raises(BenchError, match="2 axes, the data 3"):
        _size(TINY, (8, 8, 8))
