"""Jungo et al. and Kwon et al.: uncertainty over the passes, averaged over each predicted structure."""

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import Item, MonteCarlo, Prediction, Task, View
from segalarm.methods.building_blocks.stochastic_passes import (
    CLASS_NUMBERS,
    class_entropies,
    predictive_entropy,
    predictive_variance,
)
from segalarm.methods.building_blocks.structures import aggregated
from segalarm.methods.jungo import Jungo
from segalarm.methods.kwon import Kwon
from segalarm.methods.mcdropout import MCDropout
from segalarm.tests.support.toy_organs import Blobs, context, fitted, items, method


def drawn(passes):
    """The statistics of passes, float32 (T, L, *spatial)."""
    return MonteCarlo(
        len(passes), passes.mean(0), torch.special.entr(passes).sum(1).mean(0), passes.square().mean(0)
    )


def softmaxes(*shape):
    return torch.softmax(torch.randn(shape, generator=torch.Generator().manual_seed(0)), dim=1)


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)], ids=["image", "volume"])
def test_the_variance_is_that_of_the_definition(shape):
    passes = softmaxes(6, 3, *shape)
    labels = passes.mean(0).argmax(0)
    mean = passes.mean(0)
    # Kwon et al., Eq. 4: the diagonal of 1/T sum (diag(p) - p p^T), and of 1/T sum (p - mean)(p - mean)^T.
    aleatoric = sum(p - p * p for p in passes) / 6
    epistemic = sum((p - mean) ** 2 for p in passes) / 6
    expected = (aleatoric + epistemic).gather(0, labels[None])[0]
    torch.testing.assert_close(predictive_variance(drawn(passes), labels), expected)
    # Both together are the variance of the predictive Bernoulli.
    of_class = mean.gather(0, labels[None])[0]
    torch.testing.assert_close(expected, of_class * (1 - of_class))


def test_the_entropy_is_that_of_the_mean():
    passes = softmaxes(5, 3, 2, 2, 2)
    expected = torch.distributions.Categorical(passes.mean(0).movedim(0, -1)).entropy()
    torch.testing.assert_close(predictive_entropy(drawn(passes)), expected)


def test_a_map_is_averaged_over_each_structure():
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    labels = torch.tensor([[0, 0, 2], [0, 2, 2]])
    np.testing.assert_allclose(aggregated(values, labels, 4, "structure"), [7 / 3, np.nan, 14 / 3, np.nan])
    np.testing.assert_allclose(aggregated(values, labels, 4, "image"), [3.5, np.nan, 3.5, np.nan])


@pytest.mark.parametrize("task", [Task.PIXEL_FAILURE, Task.ANOMALY])
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)], ids=["image", "volume"])
def test_the_map_that_is_averaged_scores_pixels_and_needs_no_training(shape, task):
    passes = drawn(softmaxes(4, 3, *shape))
    prediction = Prediction(passes.mean.argmax(0), passes.mean.amax(0), monte_carlo={4: passes})
    for kind, expected in (
        (Jungo, predictive_entropy(passes)),
        (Kwon, predictive_variance(passes, prediction.labels)),
    ):
        alarm = method(kind, task)
        assert alarm.fit_on() is None
        (found,) = alarm.score([Item(View("a", None), prediction)], None)
        np.testing.assert_array_equal(found.pixel, expected)
        assert found.quality is None


def test_an_entropy_of_each_class_over_its_own_voxels():
    mean = torch.tensor([[[0.5, 0.3]], [[0.3, 0.6]], [[0.2, 0.1]]])
    found = class_entropies(mean, torch.tensor([[0, 1]]), "structure")
    expected = [np.log(2), -0.6 * np.log(0.6) - 0.4 * np.log(0.4), np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [Jungo, Kwon, MCDropout])
def test_the_less_sure_is_predicted_to_be_the_worse(kind, tmp_path):
    alarm, run = fitted(kind, tmp_path)
    quality = np.stack([scores.quality for scores in alarm.score(items(), run)])
    # The last volumes miss most of their structures, and their passes are the least sure.
    assert (np.diff(quality[:, 1]) < 0).all()
    assert quality[0, 1] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", [Jungo, Kwon, MCDropout])
def test_what_is_not_predicted_has_no_quality(kind, tmp_path):
    alarm, run = fitted(kind, tmp_path)
    item = items()[2]
    labels = torch.where(item.prediction.labels == 2, 0, item.prediction.labels)
    without = Prediction(labels, item.prediction.confidence, monte_carlo=item.prediction.monte_carlo)
    (found,) = alarm.score([Item(item.view, without)], run)
    assert found.quality[2] == 0
    assert found.quality[1] > 0.1


def test_images_have_structures_too(tmp_path):
    passes = drawn(softmaxes(4, 3, 6, 7))
    prediction = Prediction(passes.mean.argmax(0), passes.mean.amax(0), monte_carlo={4: passes})
    for kind in (Jungo, Kwon):
        found = method(kind).class_numbers(prediction, context(tmp_path))
        assert found.shape == (3,)
        assert (found[np.unique(prediction.labels)] > 0).all()


def test_all_that_read_the_passes_share_them(tmp_path):
    run = context(tmp_path)
    asked = []

    class Counted(Blobs):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    for kind in (Jungo, Kwon, MCDropout):
        method(kind).fit(Counted(), run)
    assert asked == list(range(8))


def test_a_structure_that_is_missed_teaches_nothing(tmp_path):
    """A volume whose tumour is not predicted has no number for it, and does not bend the others' line."""

    class Missed(Blobs):
        def __getitem__(self, index):
            pair = super().__getitem__(index)
            if index == 1:
                pair.prediction.labels[pair.prediction.labels == 2] = 0
            return pair

    class Without(Blobs):
        def __getitem__(self, index):
            return super().__getitem__(index + (index >= 1))

        def __len__(self):
            return 7

    lines = []
    for number, pairs in enumerate((Missed(), Without())):
        alarm = method(Jungo)
        folder = tmp_path / str(number)
        folder.mkdir()
        alarm.fit(pairs, context(folder))
        lines.append(alarm._to_quality)
    seen = items()[4].prediction
    at = CLASS_NUMBERS["entropy of structure"](seen.monte_carlo[4], seen.labels)
    one, other = (line(np.nan_to_num(at))[2] for line in lines)
    # The ridge sees features standardised over seven volumes or eight.
    assert one == pytest.approx(other, abs=0.05)
