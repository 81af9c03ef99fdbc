"""MSP + CRF: the CRF against mean field by brute force, and what is said where it is not installed."""

import importlib.util
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from segalarm.benchmark.interfaces import Item, Prediction, Preset, Protocol, Task, View
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.plugins.configure import configure
from segalarm.datasets.msd import Pancreas
from segalarm.datasets.streethazards import StreetHazards
from segalarm.methods.msp_crf.blur_crf import refined_by_blur
from segalarm.methods.msp_crf.dense_crf import SMALLEST, refined
from segalarm.methods.msp_crf.method import MSPCRF, MSPCRFConfig, one_minus_maximum

needs_crf = pytest.mark.skipif(
    importlib.util.find_spec("pydensecrf") is None, reason="the extra crf is not installed"
)


def softmax(energy):
    found = np.exp(energy.min(0) - energy)
    return found / found.sum(0)


def drawn(classes, height, width):
    noise = np.random.default_rng(0).normal(0, 1.5, (classes, height, width))
    return softmax(noise).astype(np.float32)


def brute_force(probabilities, iterations, spatial, channel, compatibility):
    """Mean field with the whole kernel matrix, where pydensecrf has a lattice."""
    classes, height, width = probabilities.shape
    places = np.mgrid[:height, :width] / spatial
    features = np.concatenate([places, probabilities / channel]).reshape(classes + 2, -1)
    kernel = np.exp(-((features[:, :, None] - features[:, None]) ** 2).sum(0) / 2)
    root = np.sqrt(kernel.sum(1))
    kernel /= root[:, None] * root
    unary = -np.log(np.clip(probabilities, SMALLEST, 1)).reshape(classes, -1)
    found = softmax(unary)
    for _ in range(iterations):
        found = softmax(unary - compatibility * found @ kernel)
    return found.reshape(probabilities.shape)


@needs_crf
@pytest.mark.parametrize("iterations", [1, 100])
@pytest.mark.parametrize("shape", [(3, 8, 12), (13, 12, 16)])
def test_the_crf_is_mean_field(shape, iterations):
    """Height and width differ, so that a swap of the two is seen."""
    probabilities = drawn(*shape)
    expected = brute_force(probabilities, iterations, 10.0, 13.0, 10.0)
    found = refined(probabilities, iterations, 10.0, 13.0, 10.0)
    # The lattice approximates the kernel.
    assert np.abs(found - expected).max() < 0.03
    assert np.abs(found - expected).mean() < 0.1 * np.abs(expected - probabilities).mean()


@pytest.mark.parametrize("shape", [(3, 8, 12), (13, 24, 32)])
def test_on_a_device_it_is_the_mean_field_of_the_published_kernel(shape):
    """That the term of the probabilities is left out shows in the fourth decimal."""
    probabilities = drawn(*shape)
    expected = brute_force(probabilities, 100, 10.0, 13.0, 10.0)
    found = refined_by_blur(torch.from_numpy(probabilities), 100, 10.0, 10.0).numpy()
    assert np.abs(found - expected).max() < 1e-3
    assert np.abs(expected - probabilities).max() > 0.1


@needs_crf
def test_on_a_device_it_agrees_with_the_package_as_the_lattice_does_with_the_kernel():
    probabilities = torch.from_numpy(drawn(13, 48, 80))
    found = refined_by_blur(probabilities, 100, 10.0, 10.0).numpy()
    assert np.abs(found - refined(probabilities.numpy(), 100, 10.0, 13.0, 10.0)).max() < 0.03


def test_the_method_refines_on_a_device_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    method = MSPCRF(MSPCRFConfig(by="torch"), Task.ANOMALY)
    assert method.skip(StreetHazards.info) is None
    items = [item(seed) for seed in range(2)]
    for one, scores in zip(items, method.score(items, None), strict=True):
        expected = brute_force(one.prediction.probabilities.numpy(), 100, 10.0, 13.0, 10.0)
        np.testing.assert_allclose(scores.pixel, one_minus_maximum(expected), atol=1e-3)


def test_a_kernel_that_is_no_blur_is_refused_on_a_device():
    with pytest.raises(ValidationError, match="by=pydensecrf"):
        MSPCRFConfig(by="torch", channel=3)


@needs_crf
def test_without_a_kernel_nothing_is_refined():
    probabilities = drawn(3, 8, 12)
    np.testing.assert_allclose(refined(probabilities, 10, 10.0, 13.0, 0.0), probabilities, atol=1e-5)


def test_one_minus_the_maximum_keeps_apart_what_rounds_to_one():
    probabilities = np.array([[[1.0, 1.0, 0.6]], [[1e-12, 2e-12, 0.3]], [[0, 0, 0.1]]], np.float32)
    np.testing.assert_allclose(one_minus_maximum(probabilities), [[1e-12, 2e-12, 0.4]], rtol=1e-5)


def item(seed):
    probabilities = torch.from_numpy(drawn(3, 8 + seed, 12))
    confidence, labels = probabilities.max(0)
    return Item(View(str(seed), None), Prediction(labels, confidence, None, probabilities))


@needs_crf
def test_images_of_a_batch_are_refined_apart_and_in_order():
    method = MSPCRF(MSPCRFConfig(iterations=3), Task.ANOMALY)
    items = [item(seed) for seed in range(3)]
    for one, scores in zip(items, method.score(items, None), strict=True):
        expected = refined(one.prediction.probabilities.numpy(), 3, 10.0, 13.0, 10.0)
        np.testing.assert_allclose(scores.pixel, one_minus_maximum(expected))


def test_both_tasks_refine_an_image_once():
    class Pool:
        asked = 0

        def submit(self, function, probabilities, **options):
            self.asked += 1
            found = Future()
            found.set_result(probabilities)
            return found

    pool, items = Pool(), [item(0), item(1)]
    for task in (Task.PIXEL_FAILURE, Task.ANOMALY):
        method = MSPCRF(MSPCRFConfig(), task)
        method._pool = pool
        for one, scores in zip(items, method.score(items, None), strict=True):
            np.testing.assert_array_equal(
                scores.pixel, one_minus_maximum(one.prediction.probabilities.numpy())
            )
    assert pool.asked == 2


def test_a_killed_process_is_one_clear_error(monkeypatch):
    method = MSPCRF(MSPCRFConfig(), Task.ANOMALY)
    monkeypatch.setattr("segalarm.methods.msp_crf.method.refined", killed)
    with pytest.raises(BenchError, match="process of the CRF was killed"):
        method.score([item(0)], None)


def killed(*args, **options):
    import os

    os._exit(1)


def test_the_published_settings_are_the_default():
    config = configure(MSPCRF, "msp-crf", {}, Preset.FULL, Protocol.OFFICIAL, StreetHazards.info)
    assert config == MSPCRFConfig(iterations=100, spatial=10, channel=13, compatibility=10, by="pydensecrf")


def test_in_volumes_the_reason_to_skip_is_the_crf_itself(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "published for images" in MSPCRF(MSPCRFConfig(), Task.PIXEL_FAILURE).skip(Pancreas.info)


def test_without_the_package_a_run_is_skipped_with_the_way_out(monkeypatch):
    method = MSPCRF(MSPCRFConfig(), Task.ANOMALY)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'segalarm[crf]'" in method.skip(StreetHazards.info)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert method.skip(StreetHazards.info) is None
