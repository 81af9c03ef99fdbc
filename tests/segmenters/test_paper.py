"""The segmenters of SynthCP's experiments: schedules, where they start from, and what they give."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from segalarm.benchmark.interfaces import VOID, Features, Needs, Preset, Protocol, Sample, Truth
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.plugins.configure import configure
from segalarm.benchmark.segmenters.mmsegmentation.construction.config_files import with_bases
from segalarm.benchmark.segmenters.mmsegmentation.construction.network_building import build_network
from segalarm.benchmark.segmenters.mmsegmentation.multi_scale import scaled
from segalarm.benchmark.segmenters.mmsegmentation.paper_networks import (
    DeepLab,
    DeepLabV2,
    FCN8s,
    PSPNet,
    PSPNet101,
)
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards
from segalarm.tests.support.contexts import bare_context

KINDS = [FCN8s, DeepLab, DeepLabV2, PSPNet, PSPNet101]
INFO = {PSPNet: StreetHazards.info, PSPNet101: StreetHazards.info}
SIZE = (64, 96)


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    """Torch's cache is empty, whatever this machine holds."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def make(kind, preset=Preset.SMOKE, **options):
    info = INFO.get(kind, Cityscapes.info)
    return kind(configure(kind, kind.name, options, preset, Protocol.OFFICIAL, info), info)


def samples():
    label = np.zeros(SIZE, np.int64)
    label[:, 40:] = 1
    image = np.random.default_rng(0).random((3, *SIZE), np.float32)
    return [Sample(str(n), lambda: image, lambda: Truth(label, None, label != VOID)) for n in range(2)]


def context(folder):
    return bare_context(folder, Cityscapes.info)


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_and_gives_what_every_alarm_needs(tmp_path, kind):
    segmenter = make(kind, steps=1, crop=(64, 64))
    where = context(tmp_path)
    segmenter.fit(samples(), where)
    assert where.weights == {kind.name: "none"}
    wanted = Features("decoder")
    needs = Needs(True, True, True, frozenset({wanted}), frozenset({2}))
    images = torch.from_numpy(np.stack([sample.image for sample in samples()]))
    assert segmenter.lacks(needs) is None
    found = segmenter.predict(images, ["a", "b"], needs, 0)[1]
    classes = len(segmenter.dataset.classes)
    assert found.logits.shape == found.monte_carlo[2].mean.shape == (classes, *SIZE)
    torch.testing.assert_close(found.probabilities.sum(0), torch.ones(SIZE))
    assert len(found.branch) == len(kind.branch)
    assert not torch.equal(found.monte_carlo[2].logits, found.logits)
    if kind not in (PSPNet, PSPNet101, FCN8s, DeepLabV2):
        rebuilt = segmenter._ready.network.decode_head.conv_seg(found.features[wanted][None])
        rebuilt = F.interpolate(rebuilt, SIZE, mode="bilinear", align_corners=True)[0]
        torch.testing.assert_close(rebuilt, found.logits, atol=1e-3, rtol=1e-3)
    elif kind in (PSPNet, PSPNet101):
        assert len(found.features[wanted]) == 4096


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schedule_starts_from_imagenet_or_not_at_all(kind):
    with pytest.raises(BenchError, match=r"ImageNet weights of .* are not at .*\.pth: put http"):
        make(kind, Preset.FULL).config.files()
    assert make(kind, Preset.FULL).config.pretrained == kind.imagenet
    assert make(kind, Preset.SMALL).config.pretrained is None


def test_a_small_run_takes_imagenet_weights_where_they_are(no_cache):
    no_cache.mkdir(parents=True)
    (no_cache / "vgg16-397923af.pth").touch()
    assert make(FCN8s, Preset.SMALL).config.pretrained == "vgg16"
    assert make(FCN8s, Preset.SMOKE).config.pretrained is None


def test_fcn8s_starts_from_all_of_vgg16_but_its_last_layer():
    network = build_network(make(FCN8s)._blueprint()).state_dict()
    published = {
        "features.0.weight": torch.rand(64, 3, 3, 3),
        "classifier.0.weight": torch.rand(4096, 512 * 49),
        "classifier.3.bias": torch.rand(4096),
    }
    found = make(FCN8s).pretrained_state(published)
    fitting = {key for key in network if key in found and found[key].shape == network[key].shape}
    assert fitting == {"backbone.features.0.weight", "decode_head.fc6.weight", "decode_head.fc7.bias"}
    # As a fully connected layer reads the pooled map: channel, row, column.
    fc6 = found["decode_head.fc6.weight"]
    torch.testing.assert_close(fc6[5, 3, 2, 1], published["classifier.0.weight"][5, 3 * 49 + 2 * 7 + 1])


def test_a_published_stem_of_three_convolutions_is_found():
    network = build_network(make(PSPNet)._blueprint()).state_dict()
    published = {"conv1.weight": torch.rand(64, 3, 3, 3), "bn3.bias": torch.rand(128)}
    found = make(PSPNet).pretrained_state(published)
    fitting = {key for key in network if key in found and found[key].shape == network[key].shape}
    assert fitting == {"backbone.stem.0.weight", "backbone.stem.7.bias"}


@pytest.mark.parametrize("kind", [DeepLab, DeepLabV2])
def test_a_backbone_whose_norms_do_not_learn_is_not_switched_off(kind):
    network = build_network(make(kind)._blueprint())
    assert float(network.backbone.layer3[4].bn3.weight.min()) == 1
    assert not network.backbone.layer3[4].bn3.weight.requires_grad


def test_deeplabs_own_initial_weights_have_one_more_part_in_their_names():
    network = build_network(make(DeepLab)._blueprint()).state_dict()
    found = make(DeepLab).pretrained_state({"Scale.layer1.0.conv1.weight": torch.rand(64, 64, 1, 1)})
    key = "backbone.layer1.0.conv1.weight"
    assert found[key].shape == network[key].shape


def test_an_image_is_scaled_as_pil_scales_it():
    noise = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    found = scaled(torch.from_numpy(noise).permute(2, 0, 1)[None] / 255, 32)[0]
    size = (found.shape[2], found.shape[1])
    expected = np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR))
    assert np.abs(found.permute(1, 2, 0).numpy() * 255 - expected).mean() < 0.5


def test_a_change_to_a_config_or_its_base_makes_weights_stale(tmp_path):
    (tmp_path / "base.py").write_text("model = dict(a=1)")
    (tmp_path / "own.py").write_text('_base_ = ["base.py"]\nmodel = dict(b=2)')
    assert with_bases(tmp_path / "own.py") == [tmp_path / "own.py", tmp_path / "base.py"]
    assert [file.stem for file in make(DeepLabV2).sources()] == ["deeplab_v2", "deeplab"]


def test_schedules_are_the_published_ones():
    fcn, deeplab, pspnet = (make(kind, Preset.FULL).config for kind in (FCN8s, DeepLab, PSPNet))
    assert (fcn.steps, fcn.learning_rate, fcn.momentum, fcn.weight_decay) == (100_000, 2e-4, 0.99, 5e-4)
    assert (fcn.power, fcn.batch_size, fcn.optimizer) == (0, 8, "sgd")
    assert (deeplab.steps, deeplab.horizon, deeplab.power, deeplab.batch_size) == (50_000, 250_000, 0.9, 8)
    assert (pspnet.steps, pspnet.learning_rate, pspnet.batch_size) == (100_000, 0.02, 2)
    assert pspnet.scales == (300, 375, 450, 525, 600)
    assert make(PSPNet)._blueprint().model["auxiliary_head"]["loss_decode"]["loss_weight"] == 0.4


@pytest.mark.parametrize(
    ("preset", "city", "street"),
    [
        (Preset.FULL, ("fcn8s", "deeplab"), ("pspnet",)),
        (Preset.SMALL, ("lite0", "segformer"), ("lite0", "segformer")),
    ],
)
def test_a_data_set_is_segmented_as_published_or_lightly(preset, city, street):
    for info, expected in ((Cityscapes.info, city), (StreetHazards.info, street)):
        assert (info.segmenters if preset is Preset.FULL else info.light) == expected
