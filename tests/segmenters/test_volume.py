"""Segmenters of volumes: patches, windows, stochastic passes, what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import VOID, Features, Needs, Preset, Protocol, Sample, Truth
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.metrics import dice
from segalarm.benchmark.plugins.configure import configure
from segalarm.benchmark.segmenters.volumetric.patches import Patches, Sampling
from segalarm.benchmark.segmenters.volumetric.unet3d import UNet3DSegmenter
from segalarm.benchmark.segmenters.volumetric.volume_segmenter import part_of
from segalarm.datasets.formats.decathlon import PANCREAS
from segalarm.tests.support.contexts import bare_context

INFO = replace(PANCREAS.info, classes=("background", "ball"), palette=PANCREAS.info.palette[:2])
SHAPE = (20, 24, 28)
PLAIN = Sampling(structures=1.0, flip=0.0, jitter=0.0)


class Ball:
    """A bright ball whose place its number decides."""

    def __init__(self, number):
        centre = np.random.default_rng(number).integers(6, 14, 3)
        distance = sum((axis - at) ** 2 for axis, at in zip(np.indices(SHAPE), centre, strict=True))
        self.label = (distance < 20).astype(np.int64)
        self.number = number

    def image(self):
        noise = np.random.default_rng((self.number, 1)).normal(0, 0.1, (1, *SHAPE))
        return (0.3 + 0.5 * self.label + noise).astype(np.float32)

    def truth(self):
        return Truth(self.label, None, np.ones(SHAPE, bool))


def balls(count=6):
    return [Sample(str(n), Ball(n).image, Ball(n).truth, spacing=(1.0, 1.0, 1.0)) for n in range(count)]


def context(folder):
    return bare_context(folder, INFO)


def make(**options):
    kind, options = UNet3DSegmenter, {"patch": (16, 16, 16), "per_volume": 2, **options}
    return kind(configure(kind, kind.name, options, Preset.SMOKE, Protocol.OFFICIAL, INFO), INFO)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    segmenter = make(steps=60, widths=(8, 16), stride=1)
    segmenter.fit(balls(), context(tmp_path_factory.mktemp("unet3d")))
    return segmenter


@pytest.fixture
def images():
    return torch.from_numpy(np.stack([sample.image for sample in balls(2)]))


def cut(samples=None, classes=2, size=(8, 8, 8), how=PLAIN, batch_size=4, per_volume=2, seed=0):
    return Patches(samples or balls(), classes, batch_size, per_volume, size, how, seed)


def test_every_volume_is_used_once_an_epoch():
    seen = []
    samples = balls(6)
    for sample in samples:
        sample._read_image = lambda read=sample._read_image, key=sample.key: seen.append(key) or read()
    for number in range(3):
        cut(samples)(number)
    assert sorted(seen) == [str(n) for n in range(6)]


def test_a_batch_depends_on_its_number_and_the_seed_alone():
    how = Sampling()
    one, other = cut(how=how)(5), cut(how=how)(5)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert not np.array_equal(one[0], cut(how=how)(6)[0])
    assert not np.array_equal(one[0], cut(how=how, seed=1)(5)[0])


def test_patches_are_parts_of_the_volume_with_their_labels():
    images, labels = cut(per_volume=4)(0)
    volumes = [sample.image[0] for sample in balls()]
    for image, label in zip(images, labels, strict=True):
        windows = [np.lib.stride_tricks.sliding_window_view(volume, (8, 8, 8)) for volume in volumes]
        (found,) = [
            (number, place)
            for number, window in enumerate(windows)
            for place in np.argwhere((window == image[0]).all((3, 4, 5)))
        ]
        number, place = found
        window = tuple(slice(start, start + 8) for start in place)
        np.testing.assert_array_equal(label, Ball(number).label[window])


def test_structures_get_their_share_of_the_patches():
    def share(structures, count=40):
        how = Sampling(structures=structures, flip=0, jitter=0)
        centres = [cut(how=how)(number)[1][:, 4, 4, 4] == 1 for number in range(count)]
        return np.mean(centres)

    assert share(1.0) > 0.8  # but where the patch was moved back into the volume
    assert share(0.5) == pytest.approx(share(1.0) / 2, abs=0.12)
    assert share(0.0) < 0.1


def test_a_rare_structure_is_as_likely_as_a_large_one():
    label = np.ones(SHAPE, np.int64)
    label[10, 12, 14] = 2
    sample = Sample("one", lambda: np.zeros((1, *SHAPE), np.float32), lambda: Truth(label, None, label > 0))
    found = [(cut([sample], 3)(number)[1] == 2).any((1, 2, 3)) for number in range(30)]
    assert 0.4 < np.mean(found) < 0.75


def test_a_volume_smaller_than_the_patch_is_padded_with_void():
    images, labels = cut(size=(32, 16, 40), batch_size=1, per_volume=1)(0)
    assert images.shape == (1, 1, 32, 16, 40)
    assert (labels[0, 20:] == VOID).all()
    assert (labels[0, :, :, 28:] == VOID).all()
    assert (labels[0, :20, :, :28] != VOID).all()
    assert not images[0, 0, 20:].any()


def test_a_label_out_of_range_is_named():
    sample = balls(1)[0]
    sample.truth.label[0, 0, 0] = 7
    with pytest.raises(BenchError, match=r"sample 0 has labels 0\.\.7, but the data set has 2 classes"):
        cut([sample])(0)


def test_flips_move_image_and_label_together():
    both = [cut(how=Sampling(structures=1, flip=flip, jitter=0))(3) for flip in (0.0, 1.0)]
    for plain, flipped in zip(*both, strict=True):
        np.testing.assert_array_equal(plain[..., ::-1], flipped)


def test_a_training_learns(trained, images):
    found = trained.predict(images, ["0", "1"], Needs(), 0)
    for number, prediction in enumerate(found):
        assert dice(prediction.labels.numpy(), Ball(number).label, 1) > 0.8


def test_a_network_is_kept(trained, images, tmp_path):
    trained.save(tmp_path)
    again = make(widths=(8, 16), stride=1)
    again.load(tmp_path, "cpu")
    needs = Needs(logits=True, probabilities=True)
    for one, other in zip(
        trained.predict(images, ["0", "1"], needs, 0),
        again.predict(images, ["0", "1"], needs, 0),
        strict=True,
    ):
        assert torch.equal(one.logits, other.logits)
        assert one.logits.shape == (2, *SHAPE)
        torch.testing.assert_close(one.probabilities, one.logits.softmax(0))
        assert torch.equal(one.labels, one.logits.argmax(0))
        torch.testing.assert_close(one.confidence, one.probabilities.amax(0))


def test_a_volume_within_one_window_is_the_network_itself(trained, tmp_path):
    trained.save(tmp_path)
    whole = make(widths=(8, 16), stride=1, patch=(20, 24, 28))
    whole.load(tmp_path, "cpu")
    image = torch.from_numpy(balls(1)[0].image)[None]
    found = whole.predict(image, ["0"], Needs(logits=True, features=frozenset({Features()})), 0)[0]
    with torch.no_grad():
        expected = whole._network(image)[0]
        torch.testing.assert_close(found.logits, expected, atol=1e-5, rtol=1e-5)
        features = found.features[Features()]
        torch.testing.assert_close(whole._network.classify(features[None])[0], expected, atol=1e-4, rtol=1e-4)


def test_half_the_resolution_gives_logits_of_the_whole(images, tmp_path):
    segmenter = make(steps=1)
    segmenter.fit(balls(), context(tmp_path))
    found = segmenter.predict(images[:1], ["0"], Needs(logits=True, features=frozenset({Features()})), 0)[0]
    assert found.logits.shape == (2, *SHAPE)
    assert found.features[Features()].shape == (4, *(length // 2 for length in SHAPE))


def test_stochastic_passes_depend_on_seed_and_key_alone(trained, images):
    needs = Needs(monte_carlo=frozenset({1, 3}))
    torch.manual_seed(0)
    together = trained.predict(images, ["0", "1"], needs, 7)
    torch.manual_seed(1)
    alone = [trained.predict(images[n : n + 1], [str(n)], needs, 7)[0] for n in range(2)]
    for one, other in zip(together, alone, strict=True):
        for passes in (1, 3):
            torch.testing.assert_close(one.monte_carlo[passes].mean, other.monte_carlo[passes].mean)
            torch.testing.assert_close(
                one.monte_carlo[passes].mean.sum(0), torch.ones(SHAPE), atol=1e-5, rtol=0
            )
    drawn = together[0].monte_carlo[3]
    assert (drawn.square - drawn.mean**2).max() > 1e-4
    other_seed = trained.predict(images, ["0", "1"], needs, 8)[0]
    assert not torch.equal(drawn.mean, other_seed.monte_carlo[3].mean)
    # Dropout is off again.
    first, second = (trained.predict(images, ["0", "1"], Needs(logits=True), 0)[0] for _ in range(2))
    assert torch.equal(first.logits, second.logits)


def test_it_says_what_it_lacks():
    assert make().lacks(Needs(logits=True, probabilities=True, monte_carlo=frozenset({5}))) is None
    assert make().lacks(Needs(features=frozenset({Features()}))) is None
    assert "--set unet3d.dropout=0.1" in make(dropout=0.0).lacks(Needs(monte_carlo=frozenset({5})))
    assert "no ensemble" in make().lacks(Needs(ensemble=3))
    assert "'decoder'" in make().lacks(Needs(features=frozenset({Features("down.0")})))


def test_a_patch_that_the_network_cannot_take_is_refused(tmp_path):
    with pytest.raises(BenchError, match=r"unet3d\.patch = \[16, 14, 16\]: .*multiples of \[4, 4, 4\]"):
        make(patch=(16, 14, 16)).fit(balls(), context(tmp_path))


def test_a_part_of_the_volumes_is_evenly_spaced():
    assert [sample.key for sample in part_of(balls(6), 0.5)] == ["0", "2", "4"]
    assert len(part_of(balls(6), 0.01)) == 1
    assert len(part_of(balls(6), 1.0)) == 6


def test_a_segmenter_that_is_not_trained_says_so(images):
    with pytest.raises(BenchError, match="neither trained nor loaded"):
        make().predict(images, ["0", "1"], Needs(), 0)
