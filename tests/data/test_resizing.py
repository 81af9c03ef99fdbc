"""Resizing as Pillow does it: the recorded vectors, and Pillow itself over many sizes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from segalarm.benchmark.data.resizing import nearest_places, pillow_resize, resize_photograph
from segalarm.tests.support.reference import needs_pipeline_vectors, pipeline_vectors

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
LENGTH = st.integers(1, 90)
SIZE = st.tuples(LENGTH, LENGTH)
FEW = settings(max_examples=40, deadline=None)


def by_pillow(image, size, by):
    """Resize rows first, then columns, as Pillow did when the experiments were published.

    Newer versions take the columns first where that is faster, which rounds otherwise.
    """
    rows = Image.fromarray(image).resize((size[1], image.shape[0]), FILTERS[by])
    return np.asarray(rows.resize((size[1], size[0]), FILTERS[by]))


@needs_pipeline_vectors
@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("by", ["nearest", "bilinear", "bicubic"])
def test_images_are_the_recorded_ones(number, by):
    recorded = pipeline_vectors(f"resize{number}")
    expected = recorded[f"image_{by}"].movedim(-1, 0)
    image = recorded["image"].movedim(-1, 0)
    assert torch.equal(pillow_resize(image, expected.shape[1:], by), expected)
    photograph = resize_photograph(image / 255, expected.shape[1:], by)
    assert torch.equal(photograph, expected / 255)


@needs_pipeline_vectors
@pytest.mark.parametrize("number", range(5))
def test_label_maps_are_the_recorded_ones(number):
    recorded = pipeline_vectors(f"resize{number}")
    expected = recorded["label_nearest"]
    assert torch.equal(pillow_resize(recorded["label"], expected.shape, "nearest"), expected)
    labels = pillow_resize(recorded["label"].long()[None], expected.shape, "nearest")
    assert torch.equal(labels[0], expected.long())


@needs_pipeline_vectors
def test_the_nearest_pixels_at_the_published_sizes_are_the_recorded_ones():
    recorded = pipeline_vectors("nearest_index")
    assert len(recorded) == 10
    for name, places in recorded.items():
        old, new = map(int, name.split("_"))
        assert torch.equal(nearest_places(old, new), places.long()), name


@pytest.mark.parametrize("by", FILTERS)
@FEW
@given(SIZE, SIZE, st.integers(0, 2**16))
def test_bytes_of_any_size_are_equal_to_pillows(by, old, new, seed):
    image = np.random.default_rng(seed).integers(0, 256, old, np.uint8)
    # Extremes, where a bicubic filter leaves the range.
    image[image > 200] = 255
    image[image < 55] = 0
    found = pillow_resize(torch.from_numpy(image), new, by)
    np.testing.assert_array_equal(found.numpy(), by_pillow(image, new, by))


@pytest.mark.parametrize(
    ("by", "new"), [("bicubic", (256, 512)), ("bilinear", (304, 536)), ("nearest", (256, 512))]
)
def test_a_frame_of_streethazards_is_equal_to_pillows(by, new):
    frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    found = pillow_resize(torch.from_numpy(frame).movedim(-1, 0), new, by)
    expected = np.asarray(Image.fromarray(frame).resize((new[1], new[0]), FILTERS[by]))
    np.testing.assert_array_equal(found.movedim(0, -1).numpy(), expected)


@pytest.mark.parametrize("by", FILTERS)
@FEW
@given(SIZE, SIZE, st.integers(0, 2**16))
def test_numbers_of_any_size_are_equal_to_pillows(by, old, new, seed):
    values = np.random.default_rng(seed).normal(size=old).astype(np.float32)
    found = pillow_resize(torch.from_numpy(values), new, by)
    np.testing.assert_allclose(found.numpy(), by_pillow(values, new, by), rtol=1e-6, atol=1e-6)


@FEW
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_the_nearest_pixels_of_any_length_are_pillows(old, new):
    axis = np.arange(old, dtype=np.int32)[None]
    np.testing.assert_array_equal(nearest_places(old, new), by_pillow(axis, (1, new), "nearest")[0])


def test_all_axes_of_a_volume_are_resized():
    volume = torch.rand(2, 6, 8, 4)
    torch.testing.assert_close(
        pillow_resize(volume, (3, 4, 2), "box"), torch.nn.functional.avg_pool3d(volume, 2)
    )
    labels = torch.arange(6 * 8 * 4).reshape(6, 8, 4)
    assert torch.equal(pillow_resize(labels, (3, 4, 2), "nearest"), labels[1::2, 1::2, 1::2])


def test_a_photograph_of_the_size_is_not_rounded():
    image = torch.rand(3, 4, 5)
    assert torch.equal(resize_photograph(image, (4, 5), "bicubic"), image)
