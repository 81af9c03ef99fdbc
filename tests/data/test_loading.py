import numpy as np
import pytest
from segalarm.benchmark.data.loading import ahead, load_batches, to_batch
from segalarm.benchmark.interfaces import Sample, Truth
from segalarm.benchmark.interfaces.errors import BenchError, UnknownNameError


class Image:
    """A picklable reader."""

    def __init__(self, value, shape):
        self.value, self.shape = value, shape

    def __call__(self):
        return np.full(self.shape, self.value, np.float32)


def truth():
    return Truth(np.zeros((2, 2), np.int64), None, np.ones((2, 2), bool))


def broken():
    raise UnknownNameError("colour", "bleu", ["blue"])


def samples(shapes):
    return [Sample(str(index), Image(index, shape), truth) for index, shape in enumerate(shapes)]


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_come_in_order_and_are_read(workers):
    batches = list(load_batches(samples([(3, 2, 2)] * 7), 3, workers))
    assert [[sample.key for sample in batch] for batch in batches] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6"],
    ]
    assert all(float(sample.image[0, 0, 0]) == int(sample.key) for batch in batches for sample in batch)
    assert all({"image", "truth"} <= set(vars(sample)) for batch in batches for sample in batch)


def test_images_of_other_shape_start_a_batch():
    small, large = (3, 2, 2), (3, 4, 2)
    batches = list(load_batches(samples([small, small, large, small]), 8, 0))
    assert [len(batch) for batch in batches] == [2, 1, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_reader_arrives_as_it_was_raised(workers):
    faulty = [*samples([(3, 2, 2)]), Sample("bad", broken, truth)]
    with pytest.raises(UnknownNameError) as caught:
        list(load_batches(faulty, 1, workers))
    assert str(caught.value) == "unknown colour 'bleu'. Did you mean blue? Available: blue."


def test_no_samples_give_no_batches():
    assert list(load_batches([], 4, 2)) == []


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(BenchError, match="batch size 0"):
        list(load_batches(samples([(3, 2, 2)]), 0, 0))


def test_reading_ahead_starts_anywhere():
    assert list(ahead(abs, 5, 1, start=3)) == [3, 4]


def test_reading_ahead_is_lazy():
    seen = []
    numbers = ahead(lambda n: seen.append(n) or n, 100, 0)
    assert [next(numbers), next(numbers)] == [0, 1]
    assert len(seen) <= 3


def test_a_batch_is_a_stack_of_images():
    batch = to_batch(samples([(3, 2, 2)] * 2), "cpu")
    assert tuple(batch.shape) == (2, 3, 2, 2)
    assert batch[1, 0, 0, 0] == 1
