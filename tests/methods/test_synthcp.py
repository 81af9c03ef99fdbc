"""SynthCP: Eq. 9 and its gate, the comparison network, what it learns from."""

from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from segalarm.benchmark.interfaces import (
    VOID,
    FitOn,
    Item,
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
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.storage.code_hash import definition_of, reached
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards
from segalarm.methods.building_blocks.label_maps import one_hot
from segalarm.methods.entropy import Entropy
from segalarm.methods.synthcp.cgan.cgan_training import linear_decay
from segalarm.methods.synthcp.cgan.synthesis_config import SynthesisConfig
from segalarm.methods.synthcp.cgan.synthesizer import Synthesizer
from segalarm.methods.synthcp.comparison.comparison_config import PAPER, ComparisonConfig
from segalarm.methods.synthcp.comparison.comparison_network import ComparisonNetwork
from segalarm.methods.synthcp.comparison.comparison_training import ComparisonBatches, comparison_losses
from segalarm.methods.synthcp.feature_distance import (
    cosine_distance,
    enlarged_nearest,
    gated,
    product,
    reduced,
)
from segalarm.methods.synthcp.gate import Alarm, squeezed
from segalarm.methods.synthcp.method import SynthCP
from segalarm.tests.support.reference import fill, needs_reference, vectors


class Pixels:
    """A segmenter whose features are the pixels."""

    def predict(self, images, keys, needs, seed):
        labels = torch.zeros(images.shape[2:], dtype=torch.long)
        return [
            Prediction(labels, labels.float(), features=dict.fromkeys(needs.features, image))
            for image in images
        ]


FROM_SCRATCH = ComparisonConfig(pretrained=False)


def test_equation_9_is_one_minus_the_cosine_of_features():
    generator = torch.Generator().manual_seed(0)
    real, synthesized = (torch.randn(600, 5, 7, generator=generator) for _ in range(2))
    expected = 1 - F.cosine_similarity(real, synthesized, dim=0)
    torch.testing.assert_close(cosine_distance(real, synthesized, (5, 7)), expected)
    assert cosine_distance(real, real, (20, 28)).abs().max() < 1e-6
    torch.testing.assert_close(cosine_distance(real, -real, (5, 7)), torch.full((5, 7), 2.0))


def test_features_that_vanish_give_a_finite_distance():
    assert torch.isfinite(cosine_distance(torch.zeros(4, 2, 2), torch.ones(4, 2, 2), (4, 4))).all()


def test_the_gate_trusts_a_confidence_above_the_threshold():
    distance, p = torch.tensor([[0.7, 0.7, 0.7]]), torch.tensor([[0.5, 0.9, 0.95]])
    torch.testing.assert_close(gated(distance, p, 0.9), torch.tensor([[0.7, 0.7, 0.05]]))
    torch.testing.assert_close(gated(distance, p, 1.0), distance)


def test_another_alarm_orders_what_the_gate_trusts_below_its_published_range():
    p, t = torch.tensor([[0.5, 0.95, 0.99]]), 0.9
    alarm = squeezed(torch.tensor([[7.0, -30.0, 4000.0]]), 1 - t)
    found = gated(torch.tensor([[0.7, 0.7, 0.7]]), p, t, alarm)[0]
    assert found[0] == 0.7
    assert 0 < found[1] < found[2] < 1 - t


def test_any_score_is_squeezed_without_a_change_of_order():
    scores = torch.cat([-torch.logspace(4, -4, 50), torch.zeros(1), torch.logspace(-4, 4, 50)])
    found = squeezed(scores, 0.001)
    assert (found.diff() > 0).all()
    assert found.min() > 0
    assert found.max() < 0.001


@pytest.mark.parametrize("level", [1e3, 4e3, 2e4, 1e5])
def test_large_scores_that_lie_close_stay_apart(level):
    scores = torch.linspace(0.95 * level, 1.05 * level, 1000)
    assert len(squeezed(scores, 0.001).unique()) > 900


@pytest.mark.parametrize("name", get_args(Alarm))
def test_a_gates_alarm_is_asked_for_what_it_needs(name):
    """It needs, learns from and depends on what the alarm alone does, beside Eq. 9's own."""
    method = SynthCP(SynthCP.Config(gate_with=name, layer="deep"), Task.ANOMALY)
    plain = SynthCP(SynthCP.Config(layer="deep"), Task.ANOMALY)
    alarm = method.config.alarm()
    if alarm is None:
        assert name == "msp"
        return
    assert method.needs() == plain.needs() | alarm.needs()
    assert len(method.needs().features) == 1
    assert method.parts() == (method._alarm,)
    assert type(method._alarm) is type(alarm)
    assert method.fit_on() == (alarm.fit_on() or FitOn.labels())
    assert (method.fit_key() == plain.fit_key()) is (alarm.fit_on() is None)


def test_the_code_of_alarms_that_the_gate_does_not_ask_is_no_part_of_synthcp():
    modules = {definition.module for definition in reached(definition_of(SynthCP))}
    assert "segalarm.methods.synthcp.gate" in modules
    assert not modules & {"segalarm.methods.knn", "segalarm.methods.energy", "segalarm.methods.ensemble"}


def test_every_alarm_of_the_gate_has_a_class():
    assert set(get_args(Alarm)) <= set(load_registry().names("methods"))


def test_the_gate_asks_the_alarm_once_for_all_thresholds(monkeypatch):
    asked = []
    score = Entropy.score
    monkeypatch.setattr(Entropy, "score", lambda *given: asked.append(1) or score(*given))
    probabilities = torch.softmax(torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)), 0)
    confidence, labels = probabilities.max(0)
    prediction = Prediction(labels, confidence, None, probabilities)
    item = Item(View("a", np.zeros((3, 4, 5), np.float32)), prediction)
    entropy = torch.special.entr(probabilities).sum(0)
    for t in (0.2, 0.4):
        method = SynthCP(SynthCP.Config(gate_with="entropy", t=t), Task.ANOMALY)
        torch.testing.assert_close(method._sure(item, None), squeezed(entropy, 1 - t))
    assert len(asked) == 1


def test_anomalies_need_no_weights_of_a_comparison_network(tmp_path):
    cgan, network = tmp_path / "cgan.safetensors", tmp_path / "comparison.safetensors"
    config = SynthCP.Config(cgan=SynthesisConfig(weights=cgan), comparison=ComparisonConfig(weights=network))
    assert SynthCP(config, Task.ANOMALY).files() == [cgan]
    assert SynthCP(config, Task.PIXEL_FAILURE).files() == [cgan, network]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate_with": "knn", "gate_options": {"kk": 1}}, r"synthcp: knn\.kk: Extra inputs"),
        ({"gate_with": "ensemble", "gate_options": {"members": 1}}, r"synthcp: ensemble\.members: .* 2"),
        ({"gate_with": "knn", "fusion": "product"}, "for fusion=gate, not fusion=product"),
        ({"gate_options": {"k": 1}}, "msp has no hyper-parameters"),
    ],
)
def test_a_gate_that_cannot_be_is_one_clear_error(options, message):
    with pytest.raises(BenchError, match=message):
        configure(SynthCP, "synthcp", options, Preset.SMALL, Protocol.OFFICIAL, StreetHazards.info)


def test_the_product_needs_doubt_and_difference():
    distance, p = torch.tensor([[0.8, 0.8, 0.0]]), torch.tensor([[0.5, 1.0, 0.5]])
    torch.testing.assert_close(product(distance, p), torch.tensor([[0.4, 0.0, 0.0]]))


def test_a_reduced_image_holds_what_the_synthesis_can():
    image = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(0))
    small = reduced(image, (6, 8))
    torch.testing.assert_close(small[:, ::2, ::2], small[:, 1::2, 1::2])
    torch.testing.assert_close(small.mean(), image.mean())
    torch.testing.assert_close(
        reduced(enlarged_nearest(image, (24, 32)), (12, 16)), enlarged_nearest(image, (24, 32))
    )


@pytest.mark.parametrize("reduce", [False, True])
def test_eq_9_is_zero_where_the_synthesis_equals_what_is_compared(reduce):
    """With x̂ = x, only an image whose detail is reduced too is at distance 0 of its synthesis."""
    size = (32, 32)
    config = SynthCP.Config(reduce=reduce, fusion="product")
    method = SynthCP(config, Task.ANOMALY)
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))
    small = (F.interpolate(image[None], size, mode="area")[0] * 255).round().to(torch.uint8)
    image = image if not reduce else enlarged_nearest(small.float() / 255, (64, 64))
    segmenter = Pixels()
    features = segmenter.predict(image[None], ["a"], method.needs(), 0)[0].features
    prediction = Prediction(
        torch.zeros(64, 64, dtype=torch.long), torch.full((64, 64), 0.5), features=features
    )
    item = Item(View("a", image.numpy()), prediction)
    item.memo.get(("Eq. 3", "cgan"), lambda: small)
    context = SimpleNamespace(segmenter=segmenter, seed=0)
    found = method._anomaly(item, "cgan", SimpleNamespace(size=size), context).pixel
    assert np.allclose(found, 0, atol=1e-5) is reduce


def test_void_is_zero_in_every_channel():
    hot = one_hot(torch.tensor([[[0, 2], [VOID, 1]]]), 3)
    assert hot[0].permute(1, 2, 0).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 1, 0]]]


def test_rates_fall_linearly_over_the_last_part():
    assert [linear_decay(10, 0.5)(step) for step in (0, 4, 5, 7, 9)] == [1, 1, 1, 0.6, 0.2]
    assert linear_decay(10, 0.0)(9) == 1


@needs_reference
@pytest.mark.parametrize(
    ("name", "synthesized"), [("synthcp_comparison", True), ("direct_prediction", False)]
)
def test_the_network_computes_what_the_published_one_does(name, synthesized):
    network = ComparisonNetwork(19, FROM_SCRATCH, synthesized).eval()
    fill(network)
    recorded = vectors(name)
    with torch.no_grad():
        iou, logit = network(
            torch.softmax(recorded["logits"], dim=1),
            recorded["image"],
            recorded["synthesized"] if synthesized else None,
        )
    np.testing.assert_allclose(iou.numpy(), recorded["iou"], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        torch.sigmoid(logit)[:, None].numpy(), recorded["confidence"], rtol=1e-3, atol=1e-5
    )


def test_a_shared_encoder_sees_both_images():
    apart = ComparisonNetwork(5, FROM_SCRATCH)
    shared = ComparisonNetwork(5, ComparisonConfig(pretrained=False, shared=True))
    assert sum(p.numel() for p in shared.parameters()) < 0.6 * sum(p.numel() for p in apart.parameters())


class Toys(Pairs):
    """Six pairs of 32 x 48; the right half of every prediction is wrong, the top row void."""

    key = "toys"

    def __len__(self):
        return 6

    def __getitem__(self, index):
        label = np.full((32, 48), 1, np.int64)
        label[:, 24:] = 2
        label[0] = VOID
        image = np.random.default_rng(index).random((3, 32, 48), np.float32)
        truth = Truth(label, None, np.ones((32, 48), bool))
        probabilities = torch.zeros(4, 32, 48)
        probabilities[1] = 0.8
        probabilities[0] = 0.2
        prediction = Prediction(torch.ones(32, 48, dtype=torch.int64), probabilities[1], None, probabilities)
        return Pair(Sample(str(index), lambda: image, lambda: truth), prediction)


def batch(config):
    made = ComparisonBatches(Toys(), np.zeros((6, 3, 16, 24), np.uint8), config, 4, 0)(0)
    return {name: torch.from_numpy(array) for name, array in made.items()}


def test_a_batch_holds_what_equations_6_and_7_say():
    found = batch(FROM_SCRATCH)
    assert found["image"].shape == (4, 3, 32, 48)
    assert found["synthesized"].shape == (4, 3, 32, 48)
    wrong = found["wrong"][0]
    assert (wrong[0] == VOID).all()
    assert (wrong[1:, :24] == 0).all()
    assert (wrong[1:, 24:] == 1).all()
    # Class 1: half of the predicted pixels are right; class 2 is missed; 0 and 3 are nowhere.
    np.testing.assert_array_equal(found["iou"][0], [np.nan, 0.5, 0.0, np.nan])


class Fixed(torch.nn.Module):
    """Answers the same for every image."""

    def forward(self, probabilities, image, synthesized):
        return torch.full((4, 4), 0.5), torch.zeros(4, 32, 48)


def test_the_published_loss_weighs_pixels_by_their_squared_probability():
    found = comparison_losses(Fixed(), FROM_SCRATCH, "joint", batch(FROM_SCRATCH), 0)
    # One row of 32 is void.
    assert found["pixel"].item() == pytest.approx(31 / 32 * 0.8**2 * np.log(2))
    # Smooth l1 of 0.5 - 0.5 and 0.5 - 0; the other two of the four classes are not in the label.
    assert found["iou"].item() == pytest.approx(0.5 * 0.5**2 / 4)


def test_the_papers_loss_does_not():
    config = ComparisonConfig(pretrained=False, **PAPER)
    found = comparison_losses(Fixed(), config, "joint", batch(config), 0)
    assert found["pixel"].item() == pytest.approx(31 / 32 * np.log(2))
    assert found["iou"].item() == pytest.approx(0.5 / 4)


def test_a_head_alone_has_its_own_loss():
    assert set(comparison_losses(Fixed(), FROM_SCRATCH, "image", batch(FROM_SCRATCH), 0)) == {"iou"}
    assert set(comparison_losses(Fixed(), FROM_SCRATCH, "pixel", batch(FROM_SCRATCH), 0)) == {"pixel"}


def test_a_class_that_the_cgan_does_not_know_is_named(tmp_path):
    from safetensors.torch import save_file
    from segalarm.methods.synthcp.cgan.spade import Generator

    config = SynthesisConfig(size=(32, 32), ngf=2, upsampling="normal")
    state = {k: v.contiguous() for k, v in Generator(3, 2, (32, 32)).state_dict().items()}
    save_file({**state, "size": torch.tensor((32, 32))}, tmp_path / "generator.safetensors")
    synthesizer = Synthesizer(tmp_path, config, 3, "cpu")
    assert synthesizer(torch.full((1, 50, 70), VOID)).shape == (1, 3, 32, 32)
    with pytest.raises(BenchError, match=r"class 7.*knows 3 classes"):
        synthesizer(torch.full((1, 50, 70), 7))


def configured(preset, protocol, info):
    return configure(SynthCP, "synthcp", {}, preset, protocol, info)


def test_the_full_preset_is_the_published_schedule():
    city = configured(Preset.FULL, Protocol.OFFICIAL, Cityscapes.info)
    assert (city.cgan.epochs, city.cgan.batch_size, city.cgan.upsampling) == (50, 12, "more")
    assert (city.cgan.ngf, city.cgan.size) == (64, (256, 512))
    streets = configured(Preset.FULL, Protocol.OFFICIAL, StreetHazards.info)
    assert (streets.cgan.epochs, streets.cgan.decay, streets.cgan.batch_size) == (200, 0.5, 16)
    assert streets.scales == (300, 375, 450, 525, 600)
    assert (city.comparison.learning_rate, city.comparison.steps, city.comparison.batch_size) == (
        2e-4,
        20_000,
        4,
    )


def test_the_protocols_differ_as_text_and_code_do():
    text = configured(Preset.FULL, Protocol.PAPER, Cityscapes.info).comparison
    code = configured(Preset.FULL, Protocol.OFFICIAL, Cityscapes.info).comparison
    assert (text.shared, text.iou_loss, text.weighted, text.add_probability) == (True, "l1", False, False)
    assert (code.shared, code.iou_loss, code.weighted, code.add_probability) == (
        False,
        "smooth-l1",
        True,
        True,
    )


def test_a_threshold_changes_nothing_that_is_learned():
    info = StreetHazards.info
    one, other = (
        SynthCP(configure(SynthCP, "synthcp", {"t": t}, Preset.SMALL, Protocol.OFFICIAL, info), Task.ANOMALY)
        for t in (0.8, 0.999)
    )
    assert one.fit_key() == other.fit_key()
