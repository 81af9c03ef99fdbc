"""`bench import-checkpoint` records the upsampling of a SPADE generator, which its weights do not tell."""

import pytest
import torch
from segalarm.benchmark.foreign_checkpoints.conversion import convert
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.weights.checkpoint_facts import facts_of
from segalarm.methods.synthcp.cgan.cgan_training import check_upsampling
from segalarm.methods.synthcp.cgan.spade import Generator
from segalarm.methods.synthcp.cgan.synthesis_config import SynthesisConfig


def import_generator(folder, trained_with, upsampling):
    """Import a generator of few weights; gives the written file and the option of `bench run`."""
    torch.save(Generator(3, 2, (64, 64), trained_with).state_dict(), folder / "G.pth")
    out = folder / f"{trained_with}.safetensors"
    ((file, option),) = convert("spade-generator", [folder / "G.pth"], None, out, load_registry(), upsampling)
    return file, option


@pytest.mark.parametrize("upsampling", ["normal", "more"])
def test_the_upsampling_of_a_generator_is_in_the_option_and_in_the_file(tmp_path, upsampling):
    file, option = import_generator(tmp_path, upsampling, upsampling)
    assert f"--set synthcp.cgan.upsampling={upsampling}" in option
    assert facts_of(file) == {"upsampling": upsampling}
    other = {"normal": "more", "more": "normal"}[upsampling]
    with pytest.raises(BenchError, match=rf"was imported with upsampling {upsampling}: set"):
        check_upsampling(SynthesisConfig(upsampling=other), file)
    check_upsampling(SynthesisConfig(upsampling=upsampling), file)


def test_the_upsampling_of_a_generator_is_not_guessed(tmp_path):
    with pytest.raises(BenchError, match="name that of the training with --upsampling"):
        import_generator(tmp_path, "more", None)
    assert not (tmp_path / "more.safetensors").exists()


def test_the_upsampling_most_is_told_by_the_weights(tmp_path):
    file, option = import_generator(tmp_path, "most", None)
    assert "--set synthcp.cgan.upsampling=most" in option
    assert facts_of(file) == {"upsampling": "most"}
    with pytest.raises(BenchError, match="has a block up_4"):
        import_generator(tmp_path, "most", "more")
    with pytest.raises(BenchError, match="has no block up_4"):
        import_generator(tmp_path, "more", "most")
