"""AH-Net: MONAI's, with our axes."""

import pytest
import torch
from segalarm.benchmark.interfaces import Features, Needs, Preset, Protocol, Task
from segalarm.benchmark.plugins.configure import configure
from segalarm.benchmark.segmenters.volumetric.ahnet import AHNetSegmenter, MonaiAHNet
from segalarm.datasets.formats.decathlon import PANCREAS
from segalarm.methods.jungo import Jungo
from segalarm.methods.kwon import Kwon
from segalarm.methods.mcdropout import MCDropout

INFO = PANCREAS.info


def make(preset=Preset.SMOKE, **options):
    kind = AHNetSegmenter
    return kind(configure(kind, kind.name, options, preset, Protocol.OFFICIAL, INFO), INFO)


@pytest.fixture(scope="module")
def monai():
    torch.manual_seed(0)
    return MonaiAHNet(in_channels=1, out_channels=3).eval()


def test_it_is_monais_with_the_slices_first(monai, tmp_path):
    torch.save(monai.state_dict(), tmp_path / "monai.pt")
    segmenter = make()
    segmenter.load_checkpoint(tmp_path / "monai.pt", "cpu")
    volume = torch.rand(1, 1, 20, 100, 128)
    needs = Needs(logits=True, features=frozenset({Features()}))
    found = segmenter.predict(volume, ["a"], needs, 0)[0]
    # Padded as the window is: evenly on both sides.
    padded = torch.nn.functional.pad(volume, (0, 0, 14, 14, 6, 6))
    with torch.no_grad():
        expected = monai(padded.permute(0, 1, 3, 4, 2))[0].permute(0, 3, 1, 2)
    torch.testing.assert_close(found.logits, expected[:, 6:26, 14:114], atol=1e-4, rtol=1e-4)
    assert found.labels.shape == (20, 100, 128)
    features = found.features[Features()]
    assert features.shape[0] == 128
    assert features.shape[2] == 50


@pytest.mark.parametrize("preset", Preset)
def test_it_has_dropout_by_default_so_that_every_row_of_table_2_can_be_filled(preset):
    segmenter = make(preset)
    assert segmenter.settings.dropout == 0.1
    for kind in (MCDropout, Jungo, Kwon):
        assert segmenter.lacks(kind(kind.Config(), Task.IMAGE_FAILURE).needs()) is None


def test_without_dropout_it_says_how_to_get_passes():
    needs = Needs(monte_carlo=frozenset({5}))
    assert "--set ah-net.dropout=0.1" in make(dropout=0.0).lacks(needs)
    assert make(dropout=0.0).lacks(Needs(logits=True, probabilities=True)) is None


def test_passes_differ(monai, tmp_path):
    torch.save(monai.state_dict(), tmp_path / "monai.pt")
    segmenter = make()
    segmenter.load_checkpoint(tmp_path / "monai.pt", "cpu")
    needs = Needs(monte_carlo=frozenset({2}))
    drawn = segmenter.predict(torch.rand(1, 1, 16, 64, 64), ["a"], needs, 0)[0].monte_carlo[2]
    assert (drawn.square - drawn.mean**2).max() > 1e-6
