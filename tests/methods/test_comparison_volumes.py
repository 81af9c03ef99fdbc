"""The comparison network in three dimensions: the same code, with the dimension as a parameter."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from segalarm.benchmark.interfaces import Item, Prediction, Preset, Protocol, Task, View
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.metrics import dice
from segalarm.benchmark.plugins.configure import configure
from segalarm.methods.building_blocks.label_maps import foreground_box, resized_by_corners
from segalarm.methods.building_blocks.layers_and_resizing import resized
from segalarm.methods.direct_prediction import DirectPrediction
from segalarm.methods.synthcp.comparison.comparison_config import ComparisonConfig, comparison_defaults
from segalarm.methods.synthcp.comparison.comparison_network import ComparisonNetwork, make_network
from segalarm.methods.synthcp.comparison.comparison_training import ComparisonBatches
from segalarm.methods.synthcp.comparison.encoders import WIDTHS, make_encoder
from segalarm.methods.synthcp.comparison.scoring import compare
from segalarm.tests.support.toy_organs import INFO, SHAPE, Blobs, context, fitted, items, method

SMALL = ComparisonConfig(encoder="small", pretrained=False, size=16, batch_size=3)


@pytest.mark.parametrize("name", ["small", "resnet18"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_an_encoder_gives_four_stages_in_each_dimension(name, ndim):
    encoder = make_encoder(name, False, ndim, channels=3).eval()
    found = encoder(torch.zeros(1, 4, *(64,) * ndim))
    assert [stage.shape[1] for stage in found] == list(WIDTHS[name])
    strides = [64 // stage.shape[2] for stage in found]
    assert strides == ([4, 8, 16, 32] if (name, ndim) == ("resnet18", 2) else [2, 4, 8, 16])


def test_a_volumes_resnet18_has_its_sixteen_convolutions_after_the_stem():
    encoder = make_encoder("resnet18", False, 3, channels=1)
    wide = [m for m in encoder.stages.modules() if isinstance(m, torch.nn.Conv3d) and m.kernel_size[0] == 3]
    assert len(wide) == 16


@pytest.mark.parametrize(
    ("name", "pretrained", "message"),
    [
        ("resnet18", True, "no ImageNet weights in 3 dimensions"),
        ("efficientnet-lite0", False, "two dimensions"),
    ],
)
def test_what_there_is_not_in_three_dimensions_is_named(name, pretrained, message):
    with pytest.raises(BenchError, match=message):
        make_encoder(name, pretrained, 3, 1)


def test_a_flat_volume_is_seen_as_the_image_is():
    """In a volume that repeats one slice, a network whose kernels do so too answers as in two dimensions."""
    torch.manual_seed(0)
    flat = ComparisonNetwork(2, SMALL, ndim=2, channels=1).eval()
    deep = ComparisonNetwork(2, SMALL, ndim=3, channels=1).eval()
    state = {}
    for key, value in deep.state_dict().items():
        other = flat.state_dict()[key]
        if value.ndim == 5:  # the middle slice holds the kernel, the others nothing
            value = torch.zeros_like(value)
            value[:, :, value.shape[2] // 2] = other
            other = value
        state[key] = other
    deep.load_state_dict(state)
    probabilities, image = torch.rand(1, 2, 32, 32), torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        quality, logit = flat(probabilities, image, image + 1)
        volumes = [x[:, :, None].expand(-1, -1, 32, -1, -1) for x in (probabilities, image, image + 1)]
        quality3, logit3 = deep(*volumes)
    torch.testing.assert_close(quality3, quality, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logit3, logit[:, None].expand_as(logit3), rtol=1e-4, atol=1e-5)


def test_a_batch_holds_the_dice_of_volumes():
    found = ComparisonBatches(Blobs(), None, SMALL, 3, 0)(0)
    assert found["image"].shape == (3, 1, 16, 16, 16)
    assert found["probabilities"].shape == (3, 3, 16, 16, 16)
    assert found["wrong"].shape == found["confidence"].shape == (3, 16, 16, 16)
    pairs = [Blobs()[index] for index in range(8)]
    known = [
        [dice(pair.prediction.labels, pair.sample.truth.label, number) for number in range(3)]
        for pair in pairs
    ]
    for row in found["iou"]:
        assert min(np.abs(np.array(known) - row).max(axis=1)) < 1e-6
    assert np.abs(found["image"].mean(axis=(1, 2, 3, 4))).max() < 1e-5


def test_volumes_of_several_shapes_need_a_size():
    class Odd(Blobs):
        def __getitem__(self, index):
            pair = super().__getitem__(index)
            if index % 2:
                for field in ("labels", "confidence"):
                    setattr(pair.prediction, field, getattr(pair.prediction, field)[1:])
                pair.prediction.probabilities = pair.prediction.probabilities[:, 1:]
                image, truth = pair.sample.image[:, 1:], pair.sample.truth
                pair.sample.__dict__["image"] = image
                pair.sample.__dict__["truth"] = type(truth)(truth.label[1:], None, truth.valid[1:])
            return pair

    with pytest.raises(BenchError, match="name a size"):
        ComparisonBatches(Odd(), None, SMALL.model_copy(update={"size": None, "batch_size": 8}), 3, 0)(0)
    ComparisonBatches(Odd(), None, SMALL, 3, 0)(0)
    with pytest.raises(BenchError, match="2 axes, the data 3"):
        ComparisonBatches(Odd(), None, SMALL.model_copy(update={"size": (8, 8)}), 3, 0)(0)


def test_maps_are_resized_in_both_dimensions():
    maps = torch.rand(2, 6, 8, 4)
    torch.testing.assert_close(resized(maps, (3, 4, 2)), F.avg_pool3d(maps[None], 2)[0])
    assert resized(maps, (12, 4, 2)).shape == (2, 12, 4, 2)
    labels = torch.randint(0, 255, (6, 8, 4), dtype=torch.uint8)
    torch.testing.assert_close(resized_by_corners(labels, (3, 4, 2)), labels[::2, ::2, ::2])


@pytest.mark.parametrize("task", [Task.IMAGE_FAILURE, Task.PIXEL_FAILURE])
def test_direct_prediction_answers_for_volumes(task, tmp_path):
    alarm, run = fitted(DirectPrediction, tmp_path)
    alarm.task = task
    (scores,) = alarm.score(items()[:1], run)
    if task is Task.IMAGE_FAILURE:
        assert scores.quality.shape == (3,)
        assert np.isfinite(scores.quality).all()
    else:
        assert scores.pixel.shape == scores.confidence.shape == SHAPE
        assert scores.confidence.min() >= 0
        assert scores.confidence.max() <= 1


def test_direct_prediction_learns_what_bad_volumes_look_like(tmp_path):
    options = {"comparison": {"steps": 60, "learning_rate": 3e-3, "batch_size": 4}, "head": "image"}
    alarm, run = fitted(DirectPrediction, tmp_path, **options)
    pairs = [Blobs()[index] for index in range(8)]
    actual = [dice(pair.prediction.labels, pair.sample.truth.label, 1) for pair in pairs]
    predicted = [scores.quality[1] for scores in alarm.score(items(), run)]
    assert np.corrcoef(actual, predicted)[0, 1] > 0.9


@pytest.mark.parametrize("preset", Preset)
@pytest.mark.parametrize("protocol", Protocol)
def test_no_preset_asks_for_weights_that_do_not_exist(preset, protocol):
    config = configure(DirectPrediction, "it", {}, preset, protocol, INFO).comparison
    with torch.device("meta"):
        network = ComparisonNetwork(3, config, False, 3, 1)
    assert sum(p.numel() for p in network.parameters()) > 1e5
    assert config.shared == (protocol is Protocol.PAPER)


def test_weights_depend_on_the_seed_alone(tmp_path):
    config = method(DirectPrediction).config.comparison
    info = context(tmp_path).info
    one, again, other = (make_network(info, config, True, seed) for seed in (0, 0, 1))
    assert torch.equal(one.conf.weight, again.conf.weight)
    assert not torch.equal(one.conf.weight, other.conf.weight)


def test_short_trainings_start_from_the_quality_zero_and_the_published_one_at_random(tmp_path):
    info = context(tmp_path).info
    for preset in Preset:
        config = ComparisonConfig(**comparison_defaults(preset, Protocol.OFFICIAL, info))
        assert config.zero_start == (preset is not Preset.FULL)
    for zero_start in (True, False):
        config = method(DirectPrediction).config.comparison.model_copy(update={"zero_start": zero_start})
        layer = make_network(info, config, True, 0).regress
        assert bool(layer.weight.any()) is not zero_start


def placed(item, shape, corner):
    """The item's volume in the middle of a larger one that is background, and surely so."""
    box = tuple(slice(start, start + length) for start, length in zip(corner, SHAPE, strict=True))
    image = np.full((1, *shape), 5, np.float32)
    image[0][box] = item.view.image[0]
    probabilities = torch.zeros(3, *shape)
    probabilities[0] = 1
    probabilities[:, *box] = item.prediction.probabilities
    confidence, labels = probabilities.max(dim=0)
    return Item(View("k", image), Prediction(labels, confidence, None, probabilities)), box


def test_a_network_that_focuses_looks_at_the_foreground_wherever_it_is():
    torch.manual_seed(0)
    config = SMALL.model_copy(update={"focus": 0.0})
    network = ComparisonNetwork(3, config, ndim=3, channels=1).eval()
    item = items()[2]
    found = []
    for corner in ((0, 0, 0), (9, 3, 20)):
        larger, box = placed(item, (24, 30, 40), corner)
        made = torch.full((1, 24, 30, 40), 77, dtype=torch.uint8)
        made[:, *box] = (255 * torch.from_numpy(item.view.image)).to(torch.uint8)
        quality, confidence = compare(network, config, larger, made, "cpu")
        inside = foreground_box(item.prediction.labels, 0.0)
        outside = torch.ones(SHAPE, dtype=torch.bool)
        outside[inside] = False
        assert torch.equal(confidence[box][outside], larger.prediction.confidence[box][outside])
        assert confidence.shape == (24, 30, 40)
        found.append((quality, confidence[box]))
    torch.testing.assert_close(found[0], found[1])
    assert not torch.equal(found[0][1][inside], item.prediction.confidence[inside])


def test_a_batch_holds_what_such_a_network_looks_at():
    config = SMALL.model_copy(update={"focus": 0.25, "size": None, "batch_size": 1})
    pairs = [Blobs()[3]]
    made = [(255 * pairs[0].sample.image).astype(np.uint8)]
    batch = ComparisonBatches(pairs, made, config, 3, 0)(0)
    labels = pairs[0].prediction.labels
    where = foreground_box(labels, 0.25)
    wrong = labels.numpy() != pairs[0].sample.truth.label
    assert batch["wrong"].shape[1:] == labels[where].shape != labels.shape
    assert wrong[where].any()
    np.testing.assert_array_equal(batch["wrong"][0], wrong[where])
    np.testing.assert_allclose(batch["confidence"][0], pairs[0].prediction.confidence[where])
    # x̂ is x here, but for its 8 bits.
    np.testing.assert_allclose(batch["synthesized"], batch["image"], atol=0.05)
    whole = ComparisonBatches(pairs, made, SMALL.model_copy(update={"batch_size": 1}), 3, 0)(0)
    np.testing.assert_array_equal(batch["iou"], whole["iou"])


def test_nothing_predicted_leaves_nothing_to_focus_on():
    labels = torch.zeros(4, 5, 6, dtype=torch.int64)
    assert labels[foreground_box(labels, 0.25)].shape == (4, 5, 6)
    labels[1, 2, 3] = 1
    assert labels[foreground_box(labels, 0.25)].shape == (3, 3, 3)
    assert labels[foreground_box(labels, 0.0)].shape == (1, 1, 1)
    assert labels[foreground_box(labels, None)].shape == (4, 5, 6)
