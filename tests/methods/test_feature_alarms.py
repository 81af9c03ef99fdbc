"""Alarms on features, against scikit-learn and scipy."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import cdist
from segalarm.benchmark.interfaces import (
    VOID,
    Features,
    Item,
    Pair,
    Pairs,
    Prediction,
    Preset,
    Protocol,
    Sample,
    Task,
    Truth,
    View,
)
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.plugins.configure import configure
from segalarm.datasets.streethazards import StreetHazards
from segalarm.methods.building_blocks.feature_alarm import drawn_pixels, training_features
from segalarm.methods.knn import KNN, KNNConfig
from segalarm.methods.mahalanobis import Gaussians, Mahalanobis, MahalanobisConfig, whitening_matrix
from segalarm.methods.synthcp.method import SynthCP
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestNeighbors

CENTRES = np.array([[4.0, 0, 0, 0, 0], [0, 4, 0, 0, 0], [0, 0, 4, 0, 0]])
INFO = SimpleNamespace(classes=("a", "b", "c", "never seen"))
CONTEXT = SimpleNamespace(
    device="cpu", seed=0, info=INFO, track=lambda items, description, total: items, segmenter=None
)


class Toys(Pairs):
    """Images of 8 x 12 with features of 4 x 6: a cloud a class; the first rows are void."""

    key = "toys"

    def __init__(self, count=6, void_rows=2):
        self.count = count
        self.void_rows = void_rows

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError
        rng = np.random.default_rng(index)
        coarse = rng.choice(3, (4, 6), p=[0.8, 0.15, 0.05])
        features = CENTRES[coarse] + rng.normal(0, [1, 2, 0.5, 1, 0.1], (4, 6, 5))
        label = coarse.repeat(2, 0).repeat(2, 1).astype(np.int64)
        label[: self.void_rows] = VOID
        truth = Truth(label, None, np.ones(label.shape, bool))
        sample = Sample(str(index), lambda: np.zeros((3, 8, 12), np.float32), lambda: truth)
        found = torch.from_numpy(features.astype(np.float32)).permute(2, 0, 1)
        flat = torch.zeros(8, 12)
        return Pair(sample, Prediction(flat.long(), flat, features={Features(): found}))


def everything():
    """All labelled features of the toys, and their labels."""
    features, labels = [], []
    for index in range(6):
        pair = Toys()[index]
        features.append(pair.prediction.features[Features()].flatten(1).T.numpy()[6:])
        labels.append(pair.sample.truth.label[1::2, 1::2].ravel()[6:])
    return np.concatenate(features), np.concatenate(labels)


def test_features_come_with_the_labels_of_their_places_and_none_is_void():
    found = list(training_features(Toys(), Features(), 100, False, "test", CONTEXT))
    features, labels = everything()
    np.testing.assert_allclose(np.concatenate([f for f, _ in found]), features)
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), labels)


def test_of_each_image_no_more_pixels_than_asked_for():
    found = list(training_features(Toys(), Features(), 5, False, "test", CONTEXT))
    assert [len(labels) for _, labels in found] == [5] * 6
    again = list(training_features(Toys(), Features(), 5, False, "test", CONTEXT))
    assert all(torch.equal(one[0], two[0]) for one, two in zip(found, again, strict=True))
    other = SimpleNamespace(**{**vars(CONTEXT), "seed": 1})
    elsewhere = list(training_features(Toys(), Features(), 5, False, "test", other))
    assert not all(torch.equal(one[0], two[0]) for one, two in zip(found, elsewhere, strict=True))


def test_without_labels_there_is_nothing_to_learn():
    with pytest.raises(BenchError, match="no training pixel has a label"):
        list(training_features(Toys(void_rows=8), Features(), 5, False, "test", CONTEXT))


@pytest.mark.parametrize(("balanced", "share"), [(False, 50 / 2550), (True, 0.5)])
def test_a_balanced_draw_gives_every_class_its_chance(balanced, share):
    labels = np.zeros(5000, np.int64)
    labels[:50] = 1
    labels[50:2500] = VOID
    picked = np.concatenate(
        [drawn_pixels(labels, 20, balanced, np.random.default_rng(n)) for n in range(200)]
    )
    assert (labels[picked] != VOID).all()
    assert labels[picked].mean() == pytest.approx(share, rel=0.25)


def test_a_draw_takes_no_pixel_twice():
    labels = np.array([0] * 10 + [1] * 3)
    assert drawn_pixels(labels, 100, True, np.random.default_rng(0)).tolist() == list(range(13))
    assert len(set(drawn_pixels(labels, 7, True, np.random.default_rng(0)))) == 7


def test_the_shared_covariance_is_that_of_linear_discriminant_analysis():
    features, labels = everything()
    gaussians = Gaussians(4, torch.from_numpy(features[0]))
    for start in range(0, len(labels), 7):
        part = slice(start, start + 7)
        gaussians.add(torch.from_numpy(features[part]), torch.from_numpy(labels[part]))
    reference = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(features, labels)
    np.testing.assert_allclose(gaussians.covariance, reference.covariance_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gaussians.means[:3] + gaussians.centre, reference.means_, rtol=1e-5, atol=1e-6)
    assert gaussians.count.tolist() == [*np.bincount(labels), 0]


def test_sums_of_squares_far_from_the_origin_do_not_cancel():
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(500, 3)) * [1, 2, 3] + 1e4).astype(np.float32)
    gaussians = Gaussians(1, torch.from_numpy(features[:50].mean(0)))
    gaussians.add(torch.from_numpy(features), torch.zeros(500, dtype=torch.int64))
    np.testing.assert_allclose(gaussians.covariance, np.cov(features.T, bias=True), rtol=1e-3, atol=1e-2)


def test_the_distance_is_scipys_to_the_nearest_class():
    method = Mahalanobis(MahalanobisConfig(pixels=100, ridge=1e-9), Task.ANOMALY)
    method.fit(Toys(), CONTEXT)
    features, labels = everything()
    reference = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(features, labels)
    inverse = np.linalg.inv(reference.covariance_)
    expected = cdist(features, reference.means_, "mahalanobis", VI=inverse).min(1) ** 2
    np.testing.assert_allclose(method.distances(torch.from_numpy(features)), expected, rtol=1e-3)


def test_features_that_never_vary_leave_the_distance_finite():
    covariance = torch.zeros(3, 3, dtype=torch.float64)
    covariance[0, 0] = 3.0
    whitening = whitening_matrix(covariance, 1e-4)
    expected = torch.linalg.inv(covariance + 1e-4 * torch.eye(3))
    torch.testing.assert_close(whitening.T @ whitening, expected)
    assert torch.isfinite(whitening_matrix(torch.zeros(3, 3, dtype=torch.float64), 1e-4)).all()


@pytest.mark.parametrize("k", [1, 4])
def test_neighbours_are_scikit_learns(k, monkeypatch):
    monkeypatch.setattr("segalarm.methods.knn.BLOCK", 17)
    method = KNN(KNNConfig(k=k, patches=1000, balanced=False), Task.ANOMALY)
    method.fit(Toys(), CONTEXT)
    bank, _ = everything()
    assert method.learned["patches"].shape == bank.shape
    queries = np.random.default_rng(9).normal(0, 3, (40, 5)).astype(np.float32)
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (bank, queries)]
    expected = NearestNeighbors(n_neighbors=k).fit(unit[0]).kneighbors(unit[1])[0][:, -1]
    np.testing.assert_allclose(method.distances(torch.from_numpy(queries)), expected, atol=1e-3)


@pytest.mark.parametrize(("images", "patches", "kept"), [(6, 30, 30), (6, 4, 4), (6, 10_000, 6 * 18)])
def test_no_more_patches_are_kept_than_asked_for_whatever_the_images(images, patches, kept):
    method = KNN(KNNConfig(patches=patches), Task.ANOMALY)
    method.fit(Toys(images), CONTEXT)
    assert len(method.learned["patches"]) == kept


def test_neighbours_beyond_the_patches_are_the_last_one():
    few, more = (KNN(KNNConfig(k=k, patches=4), Task.ANOMALY) for k in (4, 50))
    for method in (few, more):
        method.fit(Toys(), CONTEXT)
    queries = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(few.distances(queries), more.distances(queries))


@pytest.mark.parametrize("kind", [Mahalanobis, KNN])
def test_in_volumes_the_map_is_brought_to_the_size_along_all_axes(kind):
    class Volumes(Toys):
        def __getitem__(self, index):
            pair = super().__getitem__(index)
            at = Features()
            features = pair.prediction.features[at][:, None].repeat(1, 3, 1, 1)
            label = pair.sample.truth.label[None].repeat(6, 0)
            truth = Truth(label, None, np.ones(label.shape, bool))
            sample = Sample(str(index), None, lambda: truth)
            return Pair(sample, Prediction(None, None, features={at: features}))

    alarm = kind(kind.Config(), Task.PIXEL_FAILURE)
    alarm.fit(Volumes(), CONTEXT)
    prediction = Volumes()[0].prediction
    prediction.features[Features()][:, 1, 1, 2] = torch.tensor([-4.0, -8, -2, 6, 3])
    item = Item(View("0", np.zeros((1, 6, 8, 12), np.float32)), prediction)
    (scores,) = alarm.score([item], CONTEXT)
    place = np.unravel_index(scores.pixel.argmax(), scores.pixel.shape)
    assert tuple(at // 2 for at in place) == (1, 1, 2)
    found = alarm.distances(prediction.features[Features()].flatten(1).T).view(3, 4, 6)
    at = [np.clip((np.arange(2 * length) - 0.5) / 2, 0, length - 1) for length in found.shape]
    expected = map_coordinates(found, np.meshgrid(*at, indexing="ij"), order=1)
    np.testing.assert_allclose(scores.pixel, expected, rtol=1e-4)


@pytest.mark.parametrize("kind", [Mahalanobis, KNN])
def test_a_feature_unlike_training_stands_out_at_the_images_size(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("segalarm.methods.building_blocks.feature_alarm.CHUNK", 5)
    method = kind(kind.Config(), Task.ANOMALY)
    method.fit(Toys(), CONTEXT)
    method.save(tmp_path)
    other = kind(method.config, Task.ANOMALY)
    other.load(tmp_path, CONTEXT)
    prediction = Toys()[0].prediction
    prediction.features[Features()][:, 1, 2] = torch.tensor([-4.0, -8, -2, 6, 3])
    (scores,) = other.score([Item(View("0", np.zeros((3, 8, 12), np.float32)), prediction)], CONTEXT)
    row, column = np.unravel_index(scores.pixel.argmax(), (8, 12))
    assert (row // 2, column // 2) == (1, 2)
    found = other.distances(prediction.features[Features()].flatten(1).T).view(1, 1, 4, 6)
    expected = F.interpolate(found, (8, 12), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(scores.pixel, expected, rtol=1e-4)


@pytest.mark.parametrize("kind", [Mahalanobis, KNN])
def test_both_tasks_measure_the_distances_of_an_image_once(kind, tmp_path, monkeypatch):
    first = kind(kind.Config(), Task.PIXEL_FAILURE)
    first.fit(Toys(), CONTEXT)
    first.save(tmp_path)
    item = Item(View("0", np.zeros((3, 8, 12), np.float32)), Toys()[0].prediction)
    measured = kind.distances
    asked = []
    monkeypatch.setattr(kind, "distances", lambda self, found: asked.append(1) or measured(self, found))
    maps = []
    for task in (Task.PIXEL_FAILURE, Task.ANOMALY):
        alarm = kind(kind.Config(), task)
        alarm.load(tmp_path, CONTEXT)
        maps.append(alarm.score([item], CONTEXT)[0].pixel)
    np.testing.assert_array_equal(*maps)
    assert len(asked) == 1


def test_how_many_neighbours_changes_nothing_that_is_learned():
    one, other = (KNN(KNNConfig(k=k), Task.ANOMALY) for k in (1, 5))
    assert one.fit_key() == other.fit_key()
    assert one.fit_key() != KNN(KNNConfig(patches=7), Task.ANOMALY).fit_key()


@pytest.mark.parametrize("preset", list(Preset))
def test_features_are_those_of_equation_9(preset):
    """One pass then computes them once."""
    info = StreetHazards.info
    wanted = {
        SynthCP: SynthCP(configure(SynthCP, "synthcp", {}, preset, Protocol.OFFICIAL, info), Task.ANOMALY),
        KNN: KNN(configure(KNN, "knn", {}, preset, Protocol.OFFICIAL, info), Task.ANOMALY),
    }
    assert wanted[SynthCP].needs() == wanted[KNN].needs()
    (features,) = wanted[KNN].needs().features
    assert features.scales == ((300, 375, 450, 525, 600) if preset is Preset.FULL else ())
