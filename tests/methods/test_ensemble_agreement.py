"""Agreement within an ensemble: mean pairwise Dice of volumes, IoU of images."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from segalarm.benchmark.interfaces import Needs
from segalarm.benchmark.metrics import dice
from segalarm.methods.ensemble_agreement import EnsembleAgreement, mean_pairwise_overlap
from segalarm.tests.support.toy_organs import items, method
from sklearn.metrics import f1_score, jaccard_score


def members(labels, classes):
    """Softmax maps (M, L, *spatial) whose largest are the labels (M, *spatial)."""
    return F.one_hot(torch.as_tensor(labels), classes).movedim(-1, 1) * 0.5 + 0.1


@pytest.mark.parametrize(("shape", "score"), [((6, 7), jaccard_score), ((4, 5, 6), f1_score)])
def test_it_is_the_mean_over_all_pairs(shape, score):
    labels = np.random.default_rng(0).integers(0, 3, (4, *shape))
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    expected = np.mean([score(labels[a].ravel(), labels[b].ravel(), average=None) for a, b in pairs], axis=0)
    np.testing.assert_allclose(mean_pairwise_overlap(members(labels, 3)), expected)


def test_a_pair_that_lacks_a_class_says_nothing_of_it():
    labels = np.zeros((3, 2, 2, 2), np.int64)
    labels[0, 0] = 1
    found = mean_pairwise_overlap(members(labels, 3))
    # Class 1: the pairs with member 0 disagree, the third lacks it. Nobody has class 2.
    np.testing.assert_allclose(found, [(2 * 4 / 12 * 2 + 1) / 3, 0, 0])


def test_more_agreement_where_the_segmentation_is_better():
    alarm = method(EnsembleAgreement, members=3)
    assert alarm.needs() == Needs(ensemble=3)
    found = [scores.quality[1] for scores in alarm.score(items(), None)]
    assert found[0] == 1
    assert (np.diff(found) <= 0).all()
    assert found[-1] < 0.9


def test_of_more_members_than_are_asked_for_the_first_count():
    alarm = method(EnsembleAgreement)
    item = items()[6]
    first, second, *_ = item.prediction.members.argmax(1).numpy()
    (found,) = alarm.score([item], None)
    assert found.quality[1] == pytest.approx(dice(first, second, 1))
