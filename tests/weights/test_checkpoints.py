import os

import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from safetensors.torch import save_file
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.weights.checkpoints import load_strict, read_checkpoint
from torch import nn


class Payload:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


def weights():
    return {"weight": torch.arange(6.0).view(3, 2), "bias": torch.ones(3)}


def test_a_safetensors_file_is_read(tmp_path):
    save_file(weights(), tmp_path / "a.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "a.safetensors")["weight"], weights()["weight"])


@pytest.mark.parametrize("wrapper", ["state_dict", "model", None])
def test_a_state_dict_is_found_alone_or_under_a_usual_key(tmp_path, wrapper):
    torch.save({wrapper: weights(), "epoch": 3} if wrapper else weights(), tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").keys() == weights().keys()


def test_mmengines_logged_numbers_do_no_harm(tmp_path):
    log = HistoryBuffer()
    log.update(0.5)
    content = {
        "state_dict": weights(),
        "meta": {"iter": 3, "seed": np.int64(4)},
        "message_hub": {"log_scalars": {"loss": log}, "lr": np.float64(0.1), "all": np.arange(3)},
    }
    torch.save(content, tmp_path / "iter_3.pth")
    assert read_checkpoint(tmp_path / "iter_3.pth").keys() == weights().keys()


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path):
    target = tmp_path / "made-by-pickle"
    torch.save({"state_dict": weights(), "extra": Payload(str(target))}, tmp_path / "evil.pth")
    with pytest.raises(BenchError, match=r"evil\.pth is a pickle that would run code"):
        read_checkpoint(tmp_path / "evil.pth")
    assert not target.exists()


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_a_truncated_file_is_named(tmp_path, name):
    whole = tmp_path / f"whole-{name}"
    (save_file if name.endswith("safetensors") else torch.save)(weights(), whole)
    (tmp_path / name).write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(BenchError, match=name):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"hello, this is no checkpoint", b"PK\x03\x04"])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, content):
    (tmp_path / "notes.pth").write_bytes(content)
    with pytest.raises(BenchError, match=r"notes\.pth"):
        read_checkpoint(tmp_path / "notes.pth")


def test_a_checkpoint_without_weights_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(BenchError, match="holds no weights"):
        read_checkpoint(tmp_path / "a.pth")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(BenchError, match=r"nothing\.pth does not exist"):
        read_checkpoint(tmp_path / "nothing.pth")


def test_weights_that_fit_are_loaded():
    module = nn.Linear(2, 3)
    load_strict(module, weights(), "a.pth")
    assert torch.equal(module.weight, weights()["weight"])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": torch.zeros(3, 2)}, "lacks bias"),
        ({**weights(), "scale": torch.ones(1)}, "unknown scale"),
        (
            {"weight": torch.zeros(19, 2), "bias": torch.zeros(19)},
            "number of classes differs: got 19, wanted 3",
        ),
        ({"weight": torch.zeros(3, 7), "bias": torch.zeros(3)}, r"weight: got \(3, 7\), wanted \(3, 2\)"),
    ],
)
def test_weights_that_do_not_fit_say_where(state, message):
    with pytest.raises(BenchError, match=message) as caught:
        load_strict(nn.Linear(2, 3), state, "a.pth")
    assert "a.pth" in str(caught.value)
