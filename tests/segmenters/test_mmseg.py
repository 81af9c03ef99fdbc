import numpy as np
import pytest
import torch
import torch.nn.functional as F
from segalarm.benchmark.interfaces import (
    VOID,
    DatasetInfo,
    Features,
    Needs,
    Preset,
    Protocol,
    Sample,
    Task,
    Truth,
)
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.plugins.configure import configure
from segalarm.benchmark.segmenters.dropout_passes import stable_seed
from segalarm.benchmark.segmenters.mmsegmentation.adapter import MMSegmenter
from segalarm.benchmark.segmenters.mmsegmentation.construction.config_files import find_config
from segalarm.benchmark.segmenters.mmsegmentation.construction.network_building import build_network
from segalarm.benchmark.segmenters.mmsegmentation.inference import Inference
from segalarm.benchmark.segmenters.mmsegmentation.small_networks import (
    DDRNet,
    DeepLabV3Plus,
    Lite0,
    SegFormer,
)
from segalarm.tests.support.contexts import bare_context

PIDNET = {"config": "pidnet-s_2xb6-120k_1024x1024-cityscapes"}
INFO = DatasetInfo(
    name="toy",
    summary="",
    revision="1",
    tasks=(Task.PIXEL_FAILURE,),
    classes=("dark", "light", "absent"),
    palette=((0, 0, 0), (1, 1, 1), (2, 2, 2)),
    splits={},
    licence="",
    citation="",
    source="",
    layout="",
)


class Scene:
    """The left part is dark, the right part light, the last row void."""

    def __init__(self, number):
        self.label = np.zeros((64, 96), np.int64)
        self.label[:, 20 + 9 * number % 50 :] = 1
        self.label[-1] = VOID

    def image(self):
        noise = np.random.default_rng(0).normal(0, 0.05, (3, 64, 96))
        return (0.2 + 0.6 * (self.label == 1) + noise).clip(0, 1).astype(np.float32)

    def truth(self):
        return Truth(self.label, None, self.label != VOID)


def scenes(count=6):
    return [Sample(str(n), Scene(n).image, Scene(n).truth) for n in range(count)]


def context(folder):
    return bare_context(folder, INFO)


def make(kind=DDRNet, preset=Preset.SMOKE, **options):
    return kind(configure(kind, kind.name, options, preset, Protocol.OFFICIAL, INFO), INFO)


def fitted(folder, kind=DDRNet, steps=2, **options):
    segmenter = make(kind, steps=steps, **options)
    segmenter.fit(scenes(), context(folder))
    return segmenter


@pytest.fixture(scope="module")
def ddrnet(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("ddrnet"), steps=4)


@pytest.fixture
def images():
    return torch.from_numpy(np.stack([sample.image for sample in scenes(2)]))


@pytest.mark.parametrize(
    ("kind", "options"),
    [(DDRNet, {}), (SegFormer, {}), (DeepLabV3Plus, {}), (Lite0, {}), (MMSegmenter, PIDNET)],
)
def test_a_network_trains_predicts_and_is_kept(tmp_path, images, kind, options):
    segmenter = fitted(tmp_path / "work", kind, **options)
    segmenter.save(tmp_path / "kept")
    again = make(kind, steps=2, **options)
    again.load(tmp_path / "kept", "cpu")
    needs = Needs(logits=True, features=frozenset({Features()}))
    for one, other in zip(
        segmenter.predict(images, ["a", "b"], needs, 0),
        again.predict(images, ["a", "b"], needs, 0),
        strict=True,
    ):
        assert torch.equal(one.logits, other.logits)
        assert one.logits.shape == (3, 64, 96)
        assert one.features[Features()].ndim == 3
        torch.testing.assert_close(one.confidence, one.logits.softmax(0).amax(0))
        assert torch.equal(one.labels, one.logits.argmax(0))


def test_a_training_learns(tmp_path):
    segmenter = fitted(tmp_path, kind=Lite0, steps=40)
    sample = scenes()[1]
    found = segmenter.predict(torch.from_numpy(sample.image)[None], ["1"], Needs(), 0)[0].labels.numpy()
    valid = sample.truth.valid
    assert (found == sample.truth.label)[valid].mean() > 0.9


def test_published_losses_are_honoured(tmp_path, images):
    segmenter = fitted(
        tmp_path, loss="config", class_weights="none", optimizer="sgd", gradient_accumulation=2
    )
    assert segmenter.predict(images, ["a", "b"], Needs(), 0)[0].labels.shape == (64, 96)


def test_only_what_is_needed_is_given(ddrnet, images):
    prediction = ddrnet.predict(images, ["a", "b"], Needs(), 0)[0]
    assert prediction.logits is None
    assert prediction.probabilities is None
    assert prediction.features == {}
    assert prediction.monte_carlo == {}


def test_sizes_that_the_divisor_does_not_divide_are_cut_back(ddrnet):
    prediction = ddrnet.predict(torch.rand(1, 3, 53, 71), ["a"], Needs(probabilities=True), 0)[0]
    assert prediction.labels.shape == (53, 71)
    torch.testing.assert_close(prediction.probabilities.sum(0), torch.ones(53, 71))


def test_decoder_features_are_the_input_of_the_classifier(ddrnet, images):
    needs = Needs(logits=True, features=frozenset({Features(), Features("backbone.stem")}))
    prediction = ddrnet.predict(images, ["a", "b"], needs, 0)[1]
    head = ddrnet._inference.network.decode_head
    with torch.no_grad():
        logits = head.conv_seg(prediction.features[Features()][None])
    rebuilt = F.interpolate(logits, (64, 96), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(rebuilt, prediction.logits, atol=1e-5, rtol=1e-4)
    assert prediction.features[Features("backbone.stem")].ndim == 3


def test_an_unknown_layer_is_named(ddrnet, images):
    with pytest.raises(BenchError, match=r"no layer 'backbone\.nothing'"):
        ddrnet.predict(images, ["a", "b"], Needs(features=frozenset({Features("backbone.nothing")})), 0)


def test_features_of_scales_are_averaged_at_a_quarter_of_the_image(ddrnet, images):
    wanted = Features("decoder", (64, 96))
    found = ddrnet.predict(images, ["a", "b"], Needs(features=frozenset({wanted})), 0)[0].features[wanted]
    assert found.shape[1:] == (16, 24)
    one, two = (
        ddrnet.predict(images, ["a", "b"], Needs(features=frozenset({Features("decoder", (short,))})), 0)[0]
        for short in (64, 96)
    )
    mean = (one.features[Features("decoder", (64,))] + two.features[Features("decoder", (96,))]) / 2
    torch.testing.assert_close(found, mean)


def test_scales_average_probabilities_and_logits(ddrnet, images, tmp_path):
    ddrnet.save(tmp_path)
    several = make(scales=(64, 96))
    several.load(tmp_path, "cpu")
    assert several.lacks(Needs(logits=True)) is None
    needs = Needs(logits=True, probabilities=True)
    prediction = several.predict(images, ["a", "b"], needs, 0)[0]
    parts = []
    for short in (64, 96):
        single = make(scales=(short,))
        single.load(tmp_path, "cpu")
        parts.append(single.predict(images, ["a", "b"], needs, 0)[0])
    for name in ("probabilities", "logits"):
        mean = sum(getattr(part, name) for part in parts) / 2
        torch.testing.assert_close(getattr(prediction, name), mean)


def test_a_window_that_slides_covers_the_image(ddrnet, images, tmp_path):
    ddrnet.save(tmp_path)
    sliding = make(inference="slide", crop=(64, 64))
    sliding.load(tmp_path, "cpu")
    prediction = sliding.predict(images, ["a", "b"], Needs(probabilities=True), 0)[0]
    torch.testing.assert_close(prediction.probabilities.sum(0), torch.ones(64, 96))


MONTE_CARLO = Needs(monte_carlo=frozenset({3, 5}))


def test_monte_carlo_does_not_depend_on_batching_or_on_the_global_generator(ddrnet, images):
    together = ddrnet.predict(images, ["a", "b"], MONTE_CARLO, 0)[1].monte_carlo
    before = torch.get_rng_state()
    alone = ddrnet.predict(images[1:], ["b"], MONTE_CARLO, 0)[0].monte_carlo
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(together[5].mean, alone[5].mean)
    other = ddrnet.predict(images[1:], ["b"], MONTE_CARLO, 1)[0].monte_carlo
    assert not torch.allclose(alone[5].mean, other[5].mean, atol=1e-7)


def test_monte_carlo_equals_passes_through_the_whole_network(ddrnet, images):
    found = ddrnet.predict(images[:1], ["a"], MONTE_CARLO, 7)[0].monte_carlo
    network, normalise = ddrnet._inference.network, ddrnet._inference.normalise
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(stable_seed(7, "a"))
        network.decode_head.dropout.train()
        passes = []
        for _ in range(5):
            logits = network.decode_head.forward(network.extract_feat(normalise(images[:1])))
            passes.append(F.interpolate(logits, (64, 96), mode="bilinear")[0].softmax(0))
        network.decode_head.dropout.eval()
    for count in (3, 5):
        drawn = torch.stack(passes[:count])
        torch.testing.assert_close(found[count].mean, drawn.mean(0), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found[count].square, drawn.square().mean(0), atol=1e-5, rtol=1e-4)
        entropy = -(drawn * drawn.clamp_min(1e-30).log()).sum(1).mean(0)
        torch.testing.assert_close(found[count].entropy, entropy, atol=1e-5, rtol=1e-4)


def test_monte_carlo_leaves_the_network_deterministic(ddrnet, images):
    first = ddrnet.predict(images, ["a", "b"], Needs(logits=True), 0)[0].logits
    ddrnet.predict(images, ["a", "b"], MONTE_CARLO, 0)
    assert torch.equal(first, ddrnet.predict(images, ["a", "b"], Needs(logits=True), 0)[0].logits)


def test_monte_carlo_without_dropout_says_how_to_get_it(ddrnet, images, tmp_path):
    ddrnet.save(tmp_path)
    plain = make(dropout=0.0)
    plain.load(tmp_path, "cpu")
    assert "--set ddrnet.dropout=0.1" in plain.lacks(MONTE_CARLO)
    with pytest.raises(BenchError, match=r"--set ddrnet\.dropout=0\.1"):
        plain.predict(images, ["a", "b"], MONTE_CARLO, 0)


def test_the_builtin_networks_have_dropout_and_the_plain_config_has_not():
    assert make().lacks(MONTE_CARLO) is None
    assert make(MMSegmenter, config=DDRNet.architecture["config"]).lacks(MONTE_CARLO)


def test_a_layer_that_does_not_exist_is_named_before_training():
    assert make().lacks(Needs(features=frozenset({Features("backbone.stem")}))) is None
    assert "backbone.nothing" in make().lacks(Needs(features=frozenset({Features("backbone.nothing")})))


def test_an_ensemble_is_more_than_one_network():
    assert "no ensemble" in make().lacks(Needs(ensemble=3))


def test_asking_for_facts_draws_no_random_number():
    before = torch.get_rng_state()
    assert make().lacks(MONTE_CARLO) is None
    assert torch.equal(before, torch.get_rng_state())


def test_every_head_gets_the_classes():
    network = build_network(make(DeepLabV3Plus)._blueprint())
    assert network.decode_head.conv_seg.out_channels == 3
    assert network.auxiliary_head.conv_seg.out_channels == 3


def test_an_unknown_config_gives_the_nearest():
    with pytest.raises(BenchError, match="Did you mean ddrnet_23-slim"):
        find_config("ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("mask2former_r50_8xb2-90k_cityscapes-512x1024", "mmdet|mmseg"),
        ("no/such/file.py", "does not exist"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_clear_error(config, message):
    with pytest.raises(BenchError, match=message):
        make(MMSegmenter, config=config).lacks(MONTE_CARLO)


def test_a_compiled_operator_is_named_when_called():
    import mmcv.ops

    with pytest.raises(BenchError, match="needs a compiled mmcv op"):
        mmcv.ops.RoIAlign((2, 2))(torch.rand(1, 1, 8, 8), torch.tensor([[0.0, 0, 0, 4, 4]]))


def test_a_config_that_calls_a_compiled_operator_fails_at_once(tmp_path):
    with pytest.raises(BenchError, match=r"needs a compiled mmcv op .*choose another config"):
        fitted(tmp_path, MMSegmenter, config="psanet_r50-d8_4xb2-40k_cityscapes-512x1024")


def test_a_published_checkpoint_is_read_and_another_number_of_classes_named(ddrnet, tmp_path):
    state = ddrnet._inference.network.state_dict()
    torch.save({"state_dict": state, "meta": {"iter": 3}}, tmp_path / "good.pth")
    make().load_checkpoint(tmp_path / "good.pth", "cpu")
    wider = {
        key: torch.zeros(19, *value.shape[1:]) if "cls_seg" in key or "conv_seg" in key else value
        for key, value in state.items()
    }
    torch.save({"state_dict": wider}, tmp_path / "wide.pth")
    with pytest.raises(BenchError, match=r"wide\.pth .*got 19, wanted 3"):
        make().load_checkpoint(tmp_path / "wide.pth", "cpu")


def test_training_starts_from_a_pretrained_backbone_and_records_it(ddrnet, tmp_path):
    backbone = ddrnet._inference.network.backbone.state_dict()
    torch.save(backbone, tmp_path / "backbone.pth")
    where = context(tmp_path / "work")
    make(steps=1, pretrained=str(tmp_path / "backbone.pth")).fit(scenes(), where)
    assert where.weights == {"ddrnet": str(tmp_path / "backbone.pth")}
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(BenchError, match=r"fewer than half .* in .*other\.pth"):
        make(steps=1, pretrained=str(tmp_path / "other.pth")).fit(scenes(), where)


def test_no_samples_is_an_error(tmp_path):
    with pytest.raises(BenchError, match="no training samples of toy"):
        make().fit([], context(tmp_path))


def test_an_untrained_segmenter_says_so(images):
    with pytest.raises(BenchError, match="neither trained nor loaded"):
        make().predict(images, ["a", "b"], Needs(), 0)


@pytest.mark.parametrize("preset", list(Preset))
@pytest.mark.parametrize("kind", [DDRNet, SegFormer, DeepLabV3Plus, Lite0])
def test_every_preset_is_a_valid_configuration(kind, preset):
    assert make(kind, preset).settings.steps >= 1


def test_passes_repeat_only_what_dropout_reaches(ddrnet, images, monkeypatch):
    calls = []
    whole = type(ddrnet._inference.network).extract_feat
    monkeypatch.setattr(
        type(ddrnet._inference.network), "extract_feat", lambda self, x: calls.append(1) or whole(self, x)
    )
    ddrnet.predict(images[:1], ["a"], Needs(monte_carlo=frozenset({20})), 0)
    assert len(calls) == 2
    assert isinstance(ddrnet._inference, Inference)
