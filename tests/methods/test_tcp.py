"""TCP: the branch learns the probability of the true class, and nothing of the segmenter moves."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import VOID, Item, Pair, Prediction, Sample, Task, Truth, View
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.datasets.msd import Pancreas
from segalarm.methods.tcp import TCP, BranchBatches, ConfidenceBranch, TCPConfig, branch_losses
from segalarm.tests.support.contexts import bare_context

SIZE = (12, 16)


class Known:
    """Images whose left half is hard: the true class has probability 0.2 there, and 0.9 on the right."""

    key = "known"

    def __len__(self):
        return 4

    def __getitem__(self, index):
        left = torch.arange(SIZE[1]) < SIZE[1] // 2
        true = torch.where(left, 0.2, 0.9).expand(SIZE)
        label = np.ones(SIZE, np.int64)
        label[0] = VOID
        probabilities = torch.stack([1 - true, true])
        maps = left.float().expand(1, *SIZE)
        prediction = Prediction(
            probabilities.argmax(0), probabilities.amax(0), None, probabilities, branch=(maps,)
        )
        image = np.zeros((3, *SIZE), np.float32)
        truth = Truth(label, None, label != VOID)
        return Pair(Sample(str(index), lambda: image, lambda: truth), prediction)


def context(folder):
    return bare_context(folder, SimpleNamespace(classes=("a", "b")))


def fitted(folder, **options):
    method = TCP(TCPConfig(steps=150, batch_size=2, learning_rate=1e-3, **options), Task.PIXEL_FAILURE)
    method.fit(Known(), context(folder))
    folder.mkdir(exist_ok=True)
    method.save(folder)
    return method


def test_it_learns_the_probability_of_the_true_class(tmp_path):
    fitted(tmp_path)
    again = TCP(TCPConfig(add_probability=False), Task.PIXEL_FAILURE)
    again.load(tmp_path, context(tmp_path))
    prediction = Known()[0].prediction
    scores = again.score([Item(View("0", np.zeros((3, *SIZE), np.float32)), prediction)], None)[0]
    assert np.abs(scores.confidence[1:, :6] - 0.2).max() < 0.1
    assert np.abs(scores.confidence[1:, 10:] - 0.9).max() < 0.1
    np.testing.assert_array_equal(scores.pixel, -scores.confidence)


def test_the_published_code_adds_the_maximum_softmax_probability(tmp_path):
    method = fitted(tmp_path)
    method.load(tmp_path, context(tmp_path))
    prediction = Known()[0].prediction
    scores = method.score([Item(View("0", np.zeros((3, *SIZE), np.float32)), prediction)], None)[0]
    np.testing.assert_allclose(-scores.pixel, scores.confidence + prediction.confidence.numpy(), rtol=1e-6)


def test_each_image_is_regressed_to_its_own_target_and_void_is_left_out():
    branch = ConfidenceBranch([1])
    batch = BranchBatches(Known(), 2, 0)(0)
    expected = []
    for one in batch:
        confidence = branch(one["maps"], SIZE)[0, 0]
        expected.append(((confidence - one["target"]) ** 2)[1:].mean())
    found = branch_losses(branch, batch, 0)["true class probability"]
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_several_maps_are_joined_at_the_images_size_and_a_wide_one_is_reduced():
    branch = ConfidenceBranch([2, 600])
    maps = [torch.rand(1, 2, 6, 8), torch.rand(1, 600, 3, 4)]
    assert branch(maps, SIZE).shape == (1, 1, *SIZE)
    assert branch.reduce_dim.out_channels + 2 == branch.uncertainty[0].in_channels


def test_a_branch_from_elsewhere_replaces_training_and_must_fit(tmp_path):
    donor = ConfidenceBranch([1])
    torch.save(donor.state_dict(), tmp_path / "branch.pth")
    method = fitted(tmp_path / "own", weights=tmp_path / "branch.pth")
    for key, value in method._branch.state_dict().items():
        assert torch.equal(value, donor.state_dict()[key])
    torch.save(ConfidenceBranch([2]).state_dict(), tmp_path / "wide.pth")
    with pytest.raises(BenchError, match=r"wide\.pth.*uncertainty\.0\.weight"):
        fitted(tmp_path / "other", weights=tmp_path / "wide.pth")


def test_a_segmenter_without_such_maps_is_refused():
    with pytest.raises(BenchError, match="offers feature maps"):
        ConfidenceBranch([])


def test_volumes_are_skipped_with_the_reason():
    assert "no feature maps to a confidence branch" in TCP(TCPConfig(), Task.PIXEL_FAILURE).skip(
        Pancreas.info
    )
