"""Eq. 8 is what was published: means over all classes and all pixels, in which masked terms count as 0."""

import math

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import VOID
from segalarm.methods.synthcp.comparison.comparison_config import PAPER, ComparisonConfig
from segalarm.methods.synthcp.comparison.comparison_training import comparison_losses
from segalarm.tests.support.reference import needs_pipeline_vectors, pipeline_vectors

OFFICIAL = ComparisonConfig(pretrained=False)
TEXT = ComparisonConfig(pretrained=False, **PAPER)


class Answers(torch.nn.Module):
    """A network that answers given qualities (B, L) and confidences (B, H, W), whatever it sees."""

    def __init__(self, iou, confidence):
        super().__init__()
        self.answers = iou, torch.logit(confidence)

    def forward(self, probabilities, image, synthesized):
        return self.answers


@needs_pipeline_vectors
@pytest.mark.parametrize("number", range(3))
def test_the_official_losses_are_the_recorded_ones(number):
    recorded = pipeline_vectors(f"comparison{number}")
    confidence, predicted = recorded["logits"].softmax(1).max(1)
    label = recorded["label"].long()
    batch = {
        "image": torch.empty(0),
        "probabilities": torch.empty(0),
        "iou": (recorded["iou_percent"] / 100).where(recorded["valid"], np.nan),
        "wrong": (predicted != label).long().where(label != 19, VOID),
        "confidence": confidence,
    }
    network = Answers(recorded["predicted_iou"], recorded["confidence"][:, 0].double())
    losses = comparison_losses(network, OFFICIAL, "joint", batch, 0)
    found = torch.stack([losses["iou"], losses["pixel"]]).double()
    torch.testing.assert_close(found, recorded["expected"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "iou", "weight"),
    [(OFFICIAL, 0.5 * 0.5**2, 0.8**2), (TEXT, 0.5, 1.0)],
    ids=["official", "paper"],
)
def test_classes_and_pixels_that_do_not_count_are_terms_of_0(config, iou, weight):
    batch = {
        "image": torch.empty(0),
        "probabilities": torch.empty(0),
        # One class of four counts, and one pixel of five.
        "iou": torch.tensor([[0.0, math.nan, math.nan, math.nan]]),
        "wrong": torch.tensor([[[0, VOID, VOID, VOID, VOID]]]),
        "confidence": torch.full((1, 1, 5), 0.8),
    }
    network = Answers(torch.full((1, 4), 0.5), torch.full((1, 1, 5), 0.5))
    found = comparison_losses(network, config, "joint", batch, 0)
    assert found["iou"].item() == pytest.approx(iou / 4)
    assert found["pixel"].item() == pytest.approx(weight * math.log(2) / 5)


@pytest.mark.parametrize("config", [OFFICIAL, TEXT], ids=["official", "paper"])
def test_a_batch_in_which_nothing_counts_has_no_loss(config):
    batch = {
        "image": torch.empty(0),
        "probabilities": torch.empty(0),
        "iou": torch.full((2, 4), math.nan),
        "wrong": torch.full((2, 3, 5), VOID),
        "confidence": torch.full((2, 3, 5), 0.8),
    }
    network = Answers(torch.full((2, 4), 0.5), torch.full((2, 3, 5), 0.5))
    found = comparison_losses(network, config, "joint", batch, 0)
    assert [loss.item() for loss in found.values()] == [0, 0]
