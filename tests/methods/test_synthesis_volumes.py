"""SynthCP in volumes: SPADE with convolutions of three dimensions on patches, slid over the volume."""

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import VOID, Preset, Protocol, Sample, Task
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.metrics import dice
from segalarm.benchmark.plugins.configure import configure
from segalarm.methods.synthcp.cgan.discriminator import Discriminator
from segalarm.methods.synthcp.cgan.spade import Generator, multiple
from segalarm.methods.synthcp.cgan.synthesis_config import SynthesisConfig, cgan_defaults
from segalarm.methods.synthcp.cgan.synthesizer import cgan
from segalarm.methods.synthcp.cgan.volume_patches import IntensityRange, synthesize_by_window
from segalarm.methods.synthcp.method import SynthCP
from segalarm.tests.support.toy_organs import INFO, SHAPE, Blobs, context, fitted, items, method, truth_of


def hot(size, classes=3):
    drawn = torch.randint(0, classes, (2, *size), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.one_hot(drawn, classes).movedim(-1, 1).float()


def deepened(flat, deep):
    """The state of a network of volumes whose middle slices hold the kernels of one of images."""
    state = {}
    for key, value in deep.state_dict().items():
        other = flat.state_dict()[key]
        if value.ndim == 5:
            value = torch.zeros_like(value)
            value[:, :, value.shape[2] // 2] = other
            other = value
        state[key] = other
    return state


@pytest.mark.parametrize("upsampling", ["less", "normal"])
def test_the_generator_of_a_flat_volume_paints_the_image(upsampling):
    size = (multiple(upsampling), 2 * multiple(upsampling))
    flat = Generator(3, 2, size, upsampling, norm="none", channels=1, hidden=8).eval()
    deep = Generator(3, 2, (size[0], *size), upsampling, norm="none", channels=1, hidden=8).eval()
    deep.load_state_dict(deepened(flat, deep))
    labels = hot(size)
    with torch.no_grad():
        image, volume = flat(labels), deep(labels[:, :, None].expand(-1, -1, size[0], -1, -1))
    torch.testing.assert_close(volume, image[:, :, None].expand_as(volume), rtol=1e-4, atol=1e-6)


def test_the_networks_of_volumes_learn_everywhere():
    generator = Generator(3, 2, (16, 8, 8), "less", channels=2, hidden=8)
    assert generator.size == (16, 8, 8)
    labels = hot(generator.size)
    volume = generator(labels)
    assert volume.shape == (2, 2, 16, 8, 8)
    judge = Discriminator(3, 4, ndim=3, channels=2)
    sum(scale[-1].square().mean() for scale in judge(torch.cat([labels, volume], 1))).backward()
    for network in (generator, judge):
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("shape", [(11, 20, 9), (8, 8, 16), (5, 30, 40)])
def test_sliding_joins_what_windows_say_of_the_same_voxels(shape):
    labels = torch.randint(0, 200, shape, generator=torch.Generator().manual_seed(0))
    found = synthesize_by_window(lambda seen: torch.stack([seen, -seen], dim=1).float(), labels, (8, 8, 16))
    torch.testing.assert_close(found, torch.stack([labels, -labels]).float())


def test_neighbouring_windows_overlap_by_a_quarter():
    seen = []
    labels = torch.arange(32).view(32, 1, 1).expand(32, 8, 8)
    synthesize_by_window(lambda patch: seen.append(patch) or patch[:, None].float(), labels, (8, 8, 8))
    starts = sorted({int(patch.flatten()[0]) for patch in seen})
    assert starts == [0, 6, 12, 18, 24]


def test_a_window_of_one_label_is_synthesized_once():
    labels = torch.zeros(40, 40, 40, dtype=torch.int64)
    labels[0, 0, 0] = 1
    asked = []
    found = synthesize_by_window(
        lambda seen: asked.append(seen) or torch.full((1, 1, 8, 8, 8), 0.8), labels, (8, 8, 8)
    )
    assert len(asked) == 2
    torch.testing.assert_close(found, torch.full((1, 40, 40, 40), 0.8))


def test_around_a_volume_smaller_than_a_window_is_void():
    seen = []
    found = synthesize_by_window(
        lambda s: seen.append(s) or s[:, None].float(), torch.ones(3, 8, 8).long(), (8, 8, 8)
    )
    assert found.shape == (1, 3, 8, 8)
    assert (found == 1).all()
    assert int((seen[0] == VOID).sum()) == 5 * 8 * 8


def test_intensities_are_brought_to_their_usual_range():
    volumes = [np.stack([np.arange(1000.0) * (1 + index), np.full(1000, 7.0)]) for index in (0, 1, 20)]
    samples = [Sample("a", lambda v=v: v.reshape(2, 10, 10, 10).astype(np.float32), None) for v in volumes]
    usual = IntensityRange.of(samples)
    # Of the three volumes the second is the middle one; a channel that never varies is not divided by 0.
    np.testing.assert_allclose(usual.low, [0.005 * 999 * 2, 7], rtol=1e-5)
    np.testing.assert_allclose(usual.high, [0.995 * 999 * 2, 8], rtol=1e-5)
    found = usual.scaled(samples[1].image[None])
    assert found.min() == -1
    assert found.max() == 1
    low, high = usual.low[0], usual.high[0]
    np.testing.assert_allclose(found[0, 0, 5, 0, 0], 2 * (1000 - low) / (high - low) - 1, rtol=1e-5)


def test_the_cgan_learns_which_label_is_brighter(tmp_path):
    config = SynthesisConfig(
        size=8, ngf=2, ndf=4, upsampling="less", batch_size=2, steps=40, decay=0.0, generator_rate=3e-3,
        perceptual_weights=None, l1=10.0, sample_every=20,
    )  # fmt: skip
    run = context(tmp_path)
    _, synthesizer = cgan(config, run)
    labels = torch.from_numpy(truth_of(3))
    (found,) = synthesizer(labels[None])
    assert found.dtype == torch.uint8
    assert found.shape == (1, *SHAPE)
    means = [found[0][labels == number].float().mean() for number in range(3)]
    assert means[0] < means[1] < means[2]
    assert list(tmp_path.rglob("samples/*.png"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"perceptual_weights": "vgg19"}, "perceptual loss has three dimensions"),
        ({"size": (8, 8)}, "2 axes, the data 3"),
    ],
)
def test_what_volumes_cannot_have_is_named(changed, message, tmp_path):
    config = SynthesisConfig(**{"size": 8, "ngf": 2, "steps": 1, "perceptual_weights": None, **changed})
    with pytest.raises(BenchError, match=message):
        cgan(config, context(tmp_path))


def test_synthcp_learns_what_bad_volumes_look_like(tmp_path):
    options = {"comparison": {"steps": 120, "learning_rate": 3e-3, "decay": 0.9, "batch_size": 4}}
    alarm, run = fitted(SynthCP, tmp_path, **options)
    pairs = [Blobs()[index] for index in range(8)]
    actual = [dice(pair.prediction.labels, pair.sample.truth.label, 1) for pair in pairs]
    found = alarm.score(items(), run)
    assert np.corrcoef(actual, [scores.quality[1] for scores in found])[0, 1] > 0.9
    assert all(scores.shown["synthesized"].shape == (3, *SHAPE) for scores in found)
    alarm.task = Task.PIXEL_FAILURE
    (scores,) = alarm.score(items()[-1:], run)
    wrong = (pairs[-1].prediction.labels != torch.from_numpy(pairs[-1].sample.truth.label)).numpy()
    assert scores.pixel[wrong].mean() > scores.pixel[~wrong].mean()


def test_anomalies_of_volumes_are_skipped_with_a_reason():
    assert "photographs" in method(SynthCP, Task.ANOMALY).skip(INFO)
    assert method(SynthCP).skip(INFO) is None


@pytest.mark.parametrize("preset", Preset)
def test_no_preset_asks_for_a_perceptual_loss(preset):
    config = configure(SynthCP, "it", {}, preset, Protocol.OFFICIAL, INFO).cgan
    assert config.perceptual_weights is None
    assert config == SynthesisConfig(**cgan_defaults(preset, Protocol.OFFICIAL, INFO))
