"""Images and label maps reach SynthCP's networks on Pillow's grid, as recorded from the published code."""

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import Pair, Pairs, Prediction, Sample, Truth
from segalarm.benchmark.segmenters.imagenet_encoders import IMAGENET_MEAN, IMAGENET_STD
from segalarm.methods.synthcp.cgan.label_image_pairs import LabelImagePairs
from segalarm.methods.synthcp.cgan.spade import Generator
from segalarm.methods.synthcp.cgan.synthesis_config import SynthesisConfig
from segalarm.methods.synthcp.cgan.synthesizer import Synthesizer
from segalarm.methods.synthcp.comparison.comparison_config import ComparisonConfig
from segalarm.methods.synthcp.comparison.comparison_training import ComparisonBatches
from segalarm.methods.synthcp.feature_distance import enlarged_nearest
from segalarm.tests.support.reference import needs_pipeline_vectors, pipeline_vectors

pytestmark = needs_pipeline_vectors
CLASSES = 19


@pytest.fixture(params=range(3))
def reduction(request):
    """A recorded label map and image with their reductions."""
    return pipeline_vectors(f"resize{request.param}")


def sample(recorded):
    image = (recorded["image"].movedim(-1, 0) / 255).numpy()
    label = recorded["label"].long().numpy()
    return Sample("a", lambda: image, lambda: Truth(label, None, np.ones(label.shape, bool)))


def pairs_of(recorded):
    """One pair whose prediction is wrong where the label is 0."""
    label = recorded["label"].long()
    probabilities = torch.full((CLASSES, *label.shape), 1 / CLASSES)
    prediction = Prediction(label.clamp_min(1), probabilities[0], None, probabilities)

    class One(Pairs):
        key = "one"

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return Pair(sample(recorded), prediction)

    return One()


def test_the_cgan_learns_from_labels_at_their_places(reduction):
    expected = reduction["label_nearest"]
    _, labels = LabelImagePairs([sample(reduction)], tuple(expected.shape), 1, False, 0)(0)
    np.testing.assert_array_equal(labels[0], expected)


def test_the_cgan_learns_from_images_that_are_reduced_bicubically(reduction):
    expected = reduction["image_bicubic"].movedim(-1, 0)
    images, _ = LabelImagePairs([sample(reduction)], tuple(expected.shape[1:]), 1, False, 0)(0)
    np.testing.assert_allclose(images[0], expected / 127.5 - 1, atol=1e-6)


def test_the_comparison_network_sees_images_that_are_reduced_bicubically(reduction):
    expected = reduction["image_bicubic"].movedim(-1, 0)
    config = ComparisonConfig(pretrained=False, size=tuple(expected.shape[1:]), batch_size=1)
    synthesized = [reduction["image"].movedim(-1, 0).numpy()]
    batch = ComparisonBatches(pairs_of(reduction), synthesized, config, CLASSES, 0)(0)
    mean, deviation = (torch.tensor(numbers)[:, None, None] for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    for name in ("image", "synthesized"):
        found = torch.from_numpy(batch[name][0]) * deviation + mean
        torch.testing.assert_close(found, expected / 255)


def test_the_cgan_synthesizes_from_labels_at_their_places(reduction, tmp_path, monkeypatch):
    from safetensors.torch import save_file

    label, size = reduction["label"].long() % CLASSES, (32, 64)
    state = {k: v.contiguous() for k, v in Generator(CLASSES, 2, size).state_dict().items()}
    save_file({**state, "size": torch.tensor(size)}, tmp_path / "generator.safetensors")
    synthesizer = Synthesizer(tmp_path, SynthesisConfig(size=size, ngf=2), CLASSES, "cpu")
    small = reduction["label_nearest"].long() % CLASSES
    synthesizer.size = tuple(small.shape)
    read = []
    monkeypatch.setattr(synthesizer, "_whole", lambda labels: read.append(labels) or torch.zeros(1, 3, 1, 1))
    synthesizer(label[None])
    assert torch.equal(read[0][0], small)


def test_the_comparison_network_learns_errors_at_their_places(reduction):
    small = reduction["label_nearest"]
    config = ComparisonConfig(pretrained=False, size=tuple(small.shape), batch_size=1)
    batch = ComparisonBatches(pairs_of(reduction), None, config, CLASSES, 0)(0)
    np.testing.assert_array_equal(batch["wrong"][0], small == 0)


@pytest.mark.parametrize("number", [3, 4])
def test_a_synthesized_image_is_enlarged_as_published(number):
    recorded = pipeline_vectors(f"resize{number}")
    image, expected = (recorded[name].movedim(-1, 0).float() for name in ("image", "image_nearest"))
    assert torch.equal(enlarged_nearest(image, tuple(expected.shape[1:])), expected)
