"""Parts of a sequence of samples, and the order of training."""

from segalarm.benchmark.data.selection import Slice, evenly, shuffled


def test_a_slice_gives_the_samples_of_its_rows():
    samples = Slice("abcdef", [5, 0, 3])
    assert list(samples) == ["f", "a", "d"]
    assert list(samples[1:]) == ["a", "d"]


def test_evenly_spaced_samples_are_all_or_as_many_as_asked_for():
    assert evenly("abc", 3) == "abc"
    assert list(evenly("abcdefgh", 3)) == ["a", "c", "f"]


def test_every_epoch_has_every_sample_once_in_an_order_of_its_own():
    epochs = [[shuffled(epoch * 20 + place, 20, 0, 0) for place in range(20)] for epoch in range(2)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_seed_and_stream_choose_the_order():
    orders = {tuple(shuffled(n, 20, *of) for n in range(20)) for of in ((0, 0), (1, 0), (0, 1))}
    assert len(orders) == 3
