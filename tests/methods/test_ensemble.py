"""Ensemble: its statistics by hand. How members are made is tested with the pipeline."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from segalarm.benchmark.interfaces import Item, Needs, Prediction, Task, View
from segalarm.methods.ensemble import Ensemble, EnsembleConfig

AGREE, DIFFER = [0.9, 0.1], [0.1, 0.9]
LATER = [0.5, 0.5]


def item():
    """Two pixels: the two members agree on the first and differ on the second; a third is not asked."""
    members = torch.tensor([[AGREE, AGREE], [AGREE, DIFFER], [LATER, LATER]]).permute(0, 2, 1)[:, :, None]
    return Item(View("a", None), Prediction(torch.tensor([[0, 0]]), members[0, 0], members=members))


def scores(statistic):
    method = Ensemble(EnsembleConfig(members=2, statistic=statistic), Task.ANOMALY)
    assert method.needs() == Needs(ensemble=2)
    return method.score([item()], None)[0]


def test_the_entropy_is_of_the_mean_softmax():
    np.testing.assert_allclose(scores("entropy").pixel, [[entropy(AGREE), np.log(2)]], rtol=1e-5)


def test_mutual_information_is_left_where_members_differ():
    expected = [[0, np.log(2) - entropy(AGREE)]]
    np.testing.assert_allclose(scores("mutual-information").pixel, expected, atol=1e-6)


def test_the_variance_is_summed_over_classes():
    np.testing.assert_allclose(scores("variance").pixel, [[0, 2 * 0.4**2]], atol=1e-6)


def test_the_confidence_is_the_mean_probability_of_the_tested_segmenters_label():
    np.testing.assert_allclose(scores("entropy").confidence, [[0.9, 0.5]], rtol=1e-6)


def test_one_is_no_ensemble():
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        EnsembleConfig(members=1)
