"""VAE alarm: the VAE's loss, what it rebuilds, in two and in three dimensions."""

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import VOID, Sample, Truth
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.methods.building_blocks.label_maps import one_hot
from segalarm.methods.vae_alarm.method import VAEAlarm
from segalarm.methods.vae_alarm.shape_model import ShapeModel, shape_model
from segalarm.methods.vae_alarm.vae import VAE, elbo, soft_overlap
from segalarm.methods.vae_alarm.vae_config import VAEConfig, map_size
from segalarm.methods.vae_alarm.vae_training import LabelMapBatches, seen_map, train_vae
from segalarm.tests.support.toy_organs import fitted, items, truth_of

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
    maps = LabelMapBatches([Sample("a", None, lambda: truth)], (8, 8), 2, False, 0)
    found = maps(0)
    assert found.dtype == np.int64
    assert (found[:, :4] == VOID).all()
    assert (found[:, 4:] == 0).all()


def test_sizes_follow_the_data_and_fit_the_strides():
    assert map_size(VAEConfig(size=64, widths=(4, 4, 4, 4)), (360, 480)) == (64, 80)
    assert map_size(VAEConfig(size=(20, 20, 20), widths=(4, 4)), (50, 60, 70)) == (20, 20, 20)
    with pytest.raises(BenchError, match="2 axes, the data 3"):
        map_size(TINY, (8, 8, 8))


def test_the_dice_of_a_map_is_worked_by_hand():
    vae = VAE(3, (16, 16), TINY)
    labels = torch.zeros(1, 16, 16, dtype=torch.int64)
    labels[0, :4] = 1
    labels[0, 12:] = VOID
    reconstruction, divergence, logits = elbo(vae, labels, 3, 2.0, sample=False, reconstruction="dice")
    rebuilt = torch.softmax(logits[0], 0)[:, :12]
    zero, one = rebuilt[0], rebuilt[1]
    dice = [2 * zero[4:].sum() / (8 * 16 + zero.sum()), 2 * one[:4].sum() / (4 * 16 + one.sum())]
    # Class 2 is not in the map, and has no part in the loss.
    torch.testing.assert_close(reconstruction[0], 1 - (dice[0] + dice[1]) / 2)
    # Nats a map, not a pixel.
    _, each, _ = elbo(vae, labels, 3, 2.0, sample=False)
    torch.testing.assert_close(divergence, each * 12 * 16)


def test_the_overlap_of_a_class_that_is_not_there_is_zero():
    hot = one_hot(torch.zeros(1, 2, 2, 2, dtype=torch.int64), 2)
    assert soft_overlap(torch.zeros(1, 2, 2, 2, 2), hot).tolist() == [[0.5, 0.0]]


def test_a_vae_that_focuses_sees_the_foreground_wherever_it_is():
    labels = torch.zeros(20, 30, 40, dtype=torch.int64)
    labels[2:6, 10:18, 20:24] = 1
    labels[19, 29, 39] = VOID
    found = seen_map(labels, (6, 12, 6), 0.25)
    # The box is 4 x 8 x 4; a quarter of it more on each side.
    assert (found[0, 1:5, 2:10, 1:5] == 1).all()
    assert int((found == 1).sum()) == 4 * 8 * 4
    moved = labels.roll((3, 5, -7), (0, 1, 2))
    torch.testing.assert_close(seen_map(moved, (6, 12, 6), 0.25), found)
    empty = torch.zeros(5, 6, 7, dtype=torch.int64)
    assert seen_map(empty, (6, 12, 6), 0.25).shape == (1, 6, 12, 6)
    assert seen_map(labels, (5, 10, 10), None).shape == (1, 5, 10, 10)


def test_in_volumes_dice_is_regressed_from_the_loss(tmp_path):
    options = {"vae": {"steps": 60, "learning_rate": 5e-3, "latent": 8}}
    alarm, run = fitted(VAEAlarm, tmp_path, **options)
    assert (alarm.config.feature, alarm.config.vae.reconstruction) == ("loss", "dice")
    blobs = items()
    quality = np.stack([scores.quality for scores in alarm.score(blobs, run)])
    assert quality.shape == (8, 3)
    assert np.isfinite(quality).all()
    labels = torch.from_numpy(truth_of(0))
    without = torch.where(labels == 2, 1, labels)
    shapes = shape_model(alarm.config.vae, run)
    losses = shapes.losses(torch.stack([labels, without]))
    assert losses[0, 2] < losses[1, 2]
    # Whatever the regressor learned, a line from the loss of each class's own mask it is.
    found = alarm._to_quality
    assert (found.weights[~np.eye(3, dtype=bool)] == 0).all()
    expected = (
        found.bias + np.diag(found.weights) * shapes.losses(blobs[3].prediction.labels[None])[0].numpy()
    )
    np.testing.assert_allclose(quality[3], expected, rtol=1e-5)
    # Volumes that miss half are told from volumes that miss nothing.
    assert quality[:2, 1:].mean() > quality[-2:, 1:].mean()
