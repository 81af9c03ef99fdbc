"""AE: what it has seen it rebuilds, what it has not it does not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import Item, Sample, Task, View
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.training.fold_predictions import LabelPairs
from segalarm.methods.ae import AE, AEConfig, AutoEncoder, ImageBatches, seen_size

TINY = AEConfig(rows=32, widths=(8, 16), code=4, batch_size=4, steps=200, learning_rate=5e-3)


def scene(index):
    """Grey sky over a darker road; the horizon varies."""
    image = np.full((3, 32, 48), 0.7, np.float32)
    image[:, 10 + index % 8 :] = 0.3
    return image


def context(folder, channels=3, ndim=2):
    """As much of a run's as the method asks for."""
    return SimpleNamespace(
        device="cpu",
        precision="32",
        seed=0,
        workspace=folder,
        info=SimpleNamespace(channels=channels, ndim=ndim),
        track=lambda items, description, total: items,
    )


def pairs(count, scene=scene):
    return LabelPairs(
        [Sample(str(n), lambda n=n: scene(n), lambda: pytest.fail("labels are read")) for n in range(count)],
        "scenes",
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ae")
    method = AE(TINY, Task.ANOMALY)
    method.fit(pairs(8), context(folder))
    method.save(folder)
    method.load(folder, context(folder))
    return method


def scores(method, image):
    return method.score([Item(View("a", image), None)], SimpleNamespace(device="cpu"))[0].pixel


def test_a_strange_object_is_rebuilt_badly_without_any_label(trained):
    image = scene(3)
    image[:, 20:28, 10:20] = np.array([1.0, 0.0, 1.0], np.float32)[:, None, None]
    found = scores(trained, image)
    inside = np.zeros(found.shape, bool)
    inside[21:27, 11:19] = True
    assert found[inside].min() > np.quantile(found[~inside], 0.95)


def test_the_score_is_the_mean_absolute_error_over_colours(trained):
    image = scene(2)
    with torch.no_grad():
        rebuilt = trained._network(torch.from_numpy(image)[None])[0].numpy()
    np.testing.assert_allclose(scores(trained, image), np.abs(image - rebuilt).mean(0), atol=1e-6)


def test_scores_have_the_labels_size_whatever_the_network_sees(trained):
    assert scores(trained, np.random.default_rng(0).random((3, 61, 95), np.float32)).shape == (61, 95)


def test_sizes_fit_the_strides_and_keep_the_aspect():
    assert seen_size(np.empty((3, 720, 1280), np.float32), AEConfig()) == (256, 448)
    network = AutoEncoder(3, 2, AEConfig(widths=(4, 4), code=2))
    assert network(torch.zeros(1, 3, 12, 20)).shape == (1, 3, 12, 20)


def test_a_batch_is_images_shrunk_by_area():
    image = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
    (found,) = ImageBatches(pairs(1, lambda number: image), (2, 3), 1, False, 0)(0)
    np.testing.assert_allclose(found, image.reshape(1, 2, 2, 3, 2).mean((2, 4)))


def body(index):
    """An MR of an organ that is 2 above its surroundings; how far it reaches upwards varies."""
    volume = np.full((1, 10, 16, 12), -1, np.float32)
    volume[:, 3 + index % 4 :, 4:13, 3:9] = 1
    return volume


def test_volumes_are_rebuilt_along_all_axes_and_beyond_0_and_1(tmp_path):
    config = TINY.model_copy(update={"rows": 16})
    run = context(tmp_path, channels=1, ndim=3)
    method = AE(config, Task.PIXEL_FAILURE)
    method.fit(pairs(8, body), run)
    method.save(tmp_path)
    method.load(tmp_path, run)
    strange = body(1)
    strange[:, 5:8, 6:10, 4:8] = -4
    found = scores(method, strange)
    assert found.shape == (10, 16, 12)
    assert np.median(found[6, 7:9, 5:7]) > np.quantile(scores(method, body(1)), 0.99)
    assert np.median(scores(method, body(1))) < 0.5


def test_no_images_is_an_error(tmp_path):
    with pytest.raises(BenchError, match="needs a training split"):
        AE(TINY, Task.ANOMALY).fit(pairs(0), context(tmp_path))
