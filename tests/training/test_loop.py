import random

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import Context
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.training import Objective, poly, train
from torch import nn


class KilledError(Exception):
    pass


def context(folder, seed=0, precision="32-true", track=lambda items, description, total: items):
    return Context(
        info=None,
        train=(),
        device="cpu",
        precision=precision,
        seed=seed,
        workspace=folder,
        segmenter=None,
        track=track,
        artifact=None,
    )


def stop_after(steps):
    def track(items, description, total):
        for done, item in enumerate(items):
            if done == steps:
                raise KilledError
            yield item

    return track


def batch(number):
    generator = np.random.default_rng(number)
    x = generator.normal(size=(8, 4)).astype(np.float32)
    return x, x.sum(axis=1, keepdims=True)


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))


def regress(module, batch, step):
    x, y = batch
    # Draws from each global generator, as augmentations inside a network may.
    noise = random.random() + float(np.random.rand()) + torch.rand(())  # noqa: NPY002
    return {"loss": (module(x) - y).square().mean() + noise * module[0].weight.square().mean()}


def fit(module, folder, steps=12, **options):
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    objective = Objective(
        optimizer, lambda b, step: regress(module, b, step), poly(steps, warmup=2), clip=1.0
    )
    settings = {"workers": 0, "checkpoint_steps": 3, **options}
    where = settings.pop("context", None) or context(folder)
    train("toy", {"net": module}, [objective], batch, steps, where, **settings)
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_training_lowers_the_loss(tmp_path):
    module = network()
    x, y = (torch.from_numpy(part) for part in batch(1000))
    before = (module.eval()(x) - y).square().mean()
    fit(module, tmp_path, steps=60, checkpoint_steps=100)
    assert (module.eval()(x) - y).square().mean() < before / 2


@pytest.mark.parametrize("killed_after", [1, 4, 9])
def test_a_killed_training_ends_with_the_very_weights_of_one_that_was_not(tmp_path, killed_after):
    whole = fit(network(), tmp_path / "whole")
    cut = context(tmp_path / "cut", track=stop_after(killed_after))
    with pytest.raises(KilledError):
        fit(network(), tmp_path / "cut", context=cut)
    assert same(whole, fit(network(), tmp_path / "cut"))


def test_workers_change_nothing(tmp_path):
    assert same(fit(network(), tmp_path / "a"), fit(network(), tmp_path / "b", workers=2))


def test_another_seed_gives_other_weights(tmp_path):
    other = fit(network(), tmp_path / "b", context=context(tmp_path / "b", seed=1))
    assert not same(fit(network(), tmp_path / "a"), other)


def test_a_finished_training_is_not_repeated(tmp_path):
    done = fit(network(), tmp_path)
    assert same(done, fit(network(), tmp_path, context=context(tmp_path, track=stop_after(0))))


def test_a_checkpoint_of_another_length_is_not_taken_up(tmp_path):
    fit(network(), tmp_path, steps=6)
    assert same(fit(network(), tmp_path, steps=12), fit(network(), tmp_path / "fresh", steps=12))


def test_a_checkpoint_runs_no_code_and_leaves_no_scratch(tmp_path):
    fit(network(), tmp_path)
    assert [file.name for file in (tmp_path / "toy").glob("*.pt*")] == ["checkpoint.pt"]
    assert torch.load(tmp_path / "toy" / "checkpoint.pt", weights_only=True)["step"] == 12


def test_a_damaged_checkpoint_is_named(tmp_path):
    fit(network(), tmp_path)
    (tmp_path / "toy" / "checkpoint.pt").write_bytes(b"cut off")
    with pytest.raises(BenchError, match=r"checkpoint\.pt .* delete it"):
        fit(network(), tmp_path)


def test_accumulated_batches_equal_one_large_batch(tmp_path):
    def run(folder, batches, accumulate):
        module = nn.Linear(4, 1)
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        objective = Objective(optimizer, lambda b, step: {"loss": (module(b[0]) - b[1]).square().mean()})
        train(
            "toy", {"net": module}, [objective], batches, 3, context(folder), accumulate=accumulate, workers=0
        )
        return module.weight.detach()

    def joined(number):
        return tuple(
            np.concatenate(parts) for parts in zip(batch(2 * number), batch(2 * number + 1), strict=True)
        )

    torch.testing.assert_close(run(tmp_path / "a", batch, 2), run(tmp_path / "b", joined, 1))


def test_two_objectives_take_turns_and_move_their_own_parameters_alone(tmp_path):
    first, second = nn.Linear(4, 1), nn.Linear(1, 1)
    seen = []

    def losses_of_first(b, step):
        seen.append(("first", step))
        return {"fool": second(first(b[0])).mean()}

    def losses_of_second(b, step):
        seen.append(("second", step))
        return {"zero": 0 * second(first(b[0])).mean()}

    untouched = second.weight.clone()
    moved = first.weight.clone()
    objectives = [
        Objective(torch.optim.SGD(first.parameters(), 0.1), losses_of_first),
        Objective(torch.optim.SGD(second.parameters(), 0.1), losses_of_second),
    ]
    train("gan", {"g": first, "d": second}, objectives, batch, 2, context(tmp_path), workers=0)
    assert seen == [("first", 0), ("second", 0), ("first", 1), ("second", 1)]
    assert torch.equal(second.weight, untouched)
    assert not torch.equal(first.weight, moved)


def test_a_loss_that_is_not_finite_names_the_step_and_a_cure(tmp_path):
    module = nn.Linear(4, 1)
    objective = Objective(
        torch.optim.SGD(module.parameters(), 0.1),
        lambda b, step: {"loss": module(b[0]).mean() * (float("nan") if step == 2 else 1)},
    )
    with pytest.raises(BenchError, match=r"not finite at step 2 .*lower learning rate"):
        train("toy", {"net": module}, [objective], batch, 4, context(tmp_path), workers=0)


def test_half_precision_trains(tmp_path):
    assert all(
        value.isfinite().all()
        for value in fit(network(), tmp_path, context=context(tmp_path, precision="bf16-mixed")).values()
    )


def test_a_precision_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(BenchError, match="precision 12"):
        fit(network(), tmp_path, context=context(tmp_path, precision="12"))


def test_poly_falls_from_one_to_zero_after_its_warmup():
    schedule = poly(100, 0.9, warmup=10)
    assert schedule(0) == pytest.approx(0.1)
    assert schedule(50) == pytest.approx(0.5**0.9)
    assert schedule(100) == 0
