import numpy as np
import pytest
from segalarm.benchmark.interfaces import VOID, Sample, Truth
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.segmenters.mmsegmentation.augment import Augment, augment
from segalarm.benchmark.segmenters.mmsegmentation.crops import Crops, balanced_weights

STILL = Augment(scale=(1, 1), flip=0, jitter=0)


def picture(height=20, width=30):
    label = np.arange(height * width).reshape(height, width) % 7
    return np.stack([label / 10] * 3).astype(np.float32), label.astype(np.int64)


class Read:
    def __init__(self, value):
        self.value = value

    def __call__(self):
        return self.value


def sample(key, label):
    image = np.stack([0.3 + label / 50] * 3).astype(np.float32)
    return Sample(key, Read(image), Read(Truth(label, None, label != VOID)))


def test_image_and_label_move_together():
    image, label = picture()
    for seed in range(10):
        how = Augment(scale=(1, 1), flip=0.5, jitter=0)
        pixels, values = augment(image, label, (8, 12), how, np.random.default_rng(seed))
        np.testing.assert_allclose(pixels[1] * 10, values, atol=1e-5)


def test_what_lies_beyond_the_image_is_void():
    image, label = picture()
    pixels, values = augment(image, label, (32, 40), STILL, np.random.default_rng(0))
    np.testing.assert_array_equal(values[:20, :30], label)
    assert (values[20:] == VOID).all()
    assert (values[:, 30:] == VOID).all()
    assert pixels.shape == (3, 32, 40)


def test_a_half_size_image_fills_a_quarter_of_the_crop():
    image, label = picture()
    how = Augment(scale=(0.5, 0.5), flip=0, jitter=0)
    _, values = augment(image, label, (20, 30), how, np.random.default_rng(0))
    assert (values != VOID).sum() == 10 * 15


def test_colours_stay_in_range_and_change():
    image, label = picture()
    pixels, _ = augment(image, label, (20, 30), Augment(scale=(1, 1), flip=0), np.random.default_rng(0))
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    assert not np.allclose(pixels, image)


def crops(samples, batch_size=2, seed=0, classes=7):
    return Crops(samples, classes, batch_size, (8, 8), Augment(), seed)


def test_a_batch_is_a_function_of_its_number_alone():
    samples = [sample(str(index), picture()[1]) for index in range(5)]
    one, other = crops(samples), crops(samples)
    other(0)
    for got, wanted in zip(one(3), other(3), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert not np.array_equal(one(3)[0], crops(samples, seed=1)(3)[0])


def test_an_epoch_uses_every_image_once():
    samples = [sample(str(index), np.full((8, 8), index)) for index in range(6)]
    used = [int(np.unique(label[label != VOID])[0]) for n in range(3) for label in crops(samples)(n)[1]]
    assert sorted(used) == list(range(6))


def test_a_label_that_is_no_class_names_the_sample():
    with pytest.raises(BenchError, match="sample town_3 has label 9"):
        crops([sample("town_3", np.full((8, 8), 9))])(0)


def test_rare_classes_weigh_more_and_absent_ones_nothing():
    label = np.zeros((10, 10), np.int64)
    label[0, 0] = 1
    label[9] = VOID
    weights = balanced_weights([sample("a", label)], 3)
    assert weights[1] > weights[0] > 0
    assert weights[2] == 0
    share = np.array([89, 1, 0]) / 90
    assert (np.array(weights) * share).sum() == pytest.approx(1)
    ratio = np.log(1.02 + share[0]) / np.log(1.02 + share[1])
    assert weights[1] / weights[0] == pytest.approx(ratio)
