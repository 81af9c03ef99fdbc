"""SynthCP + VAE: the mean of both, on networks that are trained once."""

import numpy as np
import torch
from segalarm.methods.synthcp.method import SynthCP
from segalarm.methods.synthcp_vae import SynthCPVAE
from segalarm.methods.vae_alarm.method import VAEAlarm
from segalarm.tests.support.toy_organs import Blobs, context, items, method


def test_it_is_the_mean_of_the_two_and_trains_nothing_again(tmp_path):
    run = context(tmp_path)
    alarms = [method(kind) for kind in (SynthCP, VAEAlarm)]
    for alarm in alarms:
        alarm.fit(Blobs(), run)
    made = sorted(folder.name for folder in tmp_path.iterdir() if folder.is_dir())
    both = method(SynthCPVAE)
    both.fit(Blobs(), run)
    now = sorted(folder.name for folder in tmp_path.iterdir() if folder.is_dir())
    assert now == made
    assert any(name.startswith("comparison") for name in made)
    saved = tmp_path / "saved"
    saved.mkdir()
    both.save(saved)
    other = method(SynthCPVAE)
    other.load(saved, run)
    singles = [[scores.quality for scores in alarm.score(items(), run)] for alarm in alarms]
    found = other.score(items(), run)
    np.testing.assert_allclose([scores.quality for scores in found], np.mean(singles, axis=0), rtol=1e-6)
    assert "synthesized" in found[0].shown


def test_it_needs_what_either_needs():
    both = method(SynthCPVAE)
    assert both.needs().probabilities
    assert both.config.synthcp == method(SynthCP).config
    assert both.config.vae_alarm == method(VAEAlarm).config


def test_a_network_of_other_images_is_another(tmp_path):
    """The oracle's network must not be taken for SynthCP's."""
    from segalarm.methods.synthcp.oracle import FromTruth

    run = context(tmp_path)
    networks = []
    for kind in (SynthCP, FromTruth):
        alarm = method(kind)
        alarm.fit(Blobs(), run)
        networks.append(torch.cat([p.flatten() for p in alarm._network.parameters()]))
    assert not torch.equal(*networks)
    assert len(list(tmp_path.glob("comparison*"))) == 2
