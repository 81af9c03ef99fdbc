"""The generator sees void as zeros in training, and its losses leave no pixel out; SynthCP's page says so."""

from pathlib import Path

import numpy as np
import torch
from segalarm.benchmark.interfaces import VOID, Sample, Truth
from segalarm.methods.synthcp.cgan.cgan_training import Game
from segalarm.methods.synthcp.cgan.discriminator import Discriminator
from segalarm.methods.synthcp.cgan.label_image_pairs import LabelImagePairs
from segalarm.methods.synthcp.cgan.spade import Generator
from segalarm.methods.synthcp.cgan.synthesis_config import SynthesisConfig

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "synthcp.md"
SIZE = (64, 64)


def sample_with_void():
    """An image whose upper half is void."""
    label = np.ones(SIZE, np.int64)
    label[:32] = VOID
    image = np.random.default_rng(0).random((3, *SIZE), np.float32)
    return Sample("a", lambda: image, lambda: Truth(label, None, label != VOID))


def test_in_training_void_is_zeros_for_the_generator_and_an_image_for_the_losses(tmp_path):
    images, labels = map(torch.from_numpy, LabelImagePairs([sample_with_void()], SIZE, 1, False, 0)(0))
    seen = []
    generator = Generator(3, 2, SIZE)
    generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    config = SynthesisConfig(feature_matching=0, perceptual=0, perceptual_weights=None, l1=1.0)
    game = Game(generator, Discriminator(3, ndf=2), None, config, 3, tmp_path)
    losses = game.generator_losses((images, labels), 0)
    assert not seen[0][:, :, :32].any()
    assert (seen[0][:, :, 32:].sum(1) == 1).all()
    # The loss is a mean over all pixels, those of the void half included.
    torch.testing.assert_close(losses["l1"], (game.fake - images).abs().mean())


def test_the_page_says_what_follows():
    (paragraph,) = [part for part in PAGE.read_text().split("\n\n") if part.startswith("**Void.**")]
    assert "zero vector" in paragraph
