"""Eq. 9 with its gate over five scales: the recorded chain, and the passes of the network that it costs."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from segalarm.benchmark.interfaces import Item, Needs, Preset, Protocol, Task, View
from segalarm.benchmark.plugins.configure import configure
from segalarm.benchmark.segmenters.mmsegmentation.multi_scale import features_alone, segment
from segalarm.benchmark.segmenters.mmsegmentation.paper_networks import PSPNet
from segalarm.datasets.streethazards import StreetHazards
from segalarm.methods.synthcp.feature_distance import cosine_distance, enlarged_nearest, gated
from segalarm.methods.synthcp.method import SynthCP
from segalarm.tests.support.contexts import bare_context
from segalarm.tests.support.reference import needs_pipeline_vectors, pipeline_vectors

SCALES = (32, 40, 48, 56, 64)


class Recorded:
    """Gives the recorded outputs of one scale after the other in place of a network's."""

    divisor = 8

    def __init__(self, features, logits=()):
        self._features, self._logits = iter(features), iter(logits)

    def logits(self, images, size, layers):
        logits = next(self._logits)
        assert tuple(logits.shape[2:]) == size
        return logits, self.features(images, layers)

    def features(self, images, layers):
        assert layers == {"decoder"}
        return {"decoder": next(self._features)}


@needs_pipeline_vectors
def test_the_chain_of_eq_9_gives_the_recorded_scores():
    recorded = pipeline_vectors("eq9")
    real, synthesized = (
        [recorded[f"{name}_{scale}"] for scale in range(5)] for name in ("features", "features_synthesized")
    )
    wanted = SynthCP.Config(scales=SCALES).features
    images = torch.zeros(1, 3, 48, 80)
    _, probabilities, maps = segment(Recorded(real, recorded["logits"]), images, SCALES, [wanted])
    of_synthesized = features_alone(Recorded(synthesized), images, [wanted])
    confidence = probabilities[0].amax(0)
    torch.testing.assert_close(confidence, recorded["msp"], atol=1e-5, rtol=0)
    distance = cosine_distance(maps[wanted][0], of_synthesized[wanted][0], (48, 80))
    thresholds = [name for name in recorded if name.startswith("expected_t")]
    assert len(thresholds) == 5
    for name in thresholds:
        score = gated(distance, confidence, float(name.removeprefix("expected_t")))
        torch.testing.assert_close(score, recorded[name], atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def pspnet(tmp_path_factory):
    """The published network at five small scales, with random weights."""
    info = StreetHazards.info
    options = {"scales": SCALES, "divisor": 8, "pretrained": None}
    config = configure(PSPNet, "pspnet", options, Preset.SMOKE, Protocol.OFFICIAL, info)
    segmenter = PSPNet(config, info)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("pspnet")
    from safetensors.torch import save_file

    state = {name: tensor.contiguous() for name, tensor in segmenter._untrained.state_dict().items()}
    save_file(state, folder / "segmenter.safetensors")
    segmenter.load(folder, "cpu")
    return segmenter


def picture():
    return torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))


def counted(passes, name, *of_hook):
    passes[name] += 1


def test_eq_9_passes_the_network_five_times_for_each_of_the_two_images(pspnet, tmp_path):
    method = SynthCP(SynthCP.Config(scales=SCALES), Task.ANOMALY)
    network, passes, handles = pspnet._ready.network, Counter(), []
    for name in ("backbone", "decode_head.bottleneck", "decode_head.conv_seg"):
        count = partial(counted, passes, name)
        handles.append(network.get_submodule(name).register_forward_hook(count))
    image = picture()
    small = (torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(1)) * 255).to(torch.uint8)
    try:
        (prediction,) = pspnet.predict(image[None], ["a"], method.needs(), 0)
        assert passes == {"backbone": 5, "decode_head.bottleneck": 5, "decode_head.conv_seg": 5}
        item = Item(View("a", image.numpy()), prediction)
        context = bare_context(tmp_path, StreetHazards.info, segmenter=pspnet)
        score = method._anomaly(item, "cgan", lambda labels: small[None], context).pixel
    finally:
        for handle in handles:
            handle.remove()
    assert passes == {"backbone": 10, "decode_head.bottleneck": 5, "decode_head.conv_seg": 5}
    # The same as from complete passes for each result apart.
    wanted = method.config.features
    synthesized = enlarged_nearest(small.float() / 255, (64, 96))
    (plain,) = pspnet.predict(image[None], ["a"], Needs(probabilities=True), 0)
    real, of_synthesized = (
        pspnet.predict(view[None], ["a"], method.needs(), 0)[0].features[wanted]
        for view in (image, synthesized)
    )
    distance = cosine_distance(real, of_synthesized, (64, 96))
    expected = gated(distance, plain.confidence, method.config.t)
    np.testing.assert_allclose(score, expected, atol=1e-6)


def test_features_alone_are_those_of_the_prediction(pspnet):
    wanted = [SynthCP.Config(scales=SCALES).features, SynthCP.Config().features]
    needs = SynthCP(SynthCP.Config(scales=SCALES), Task.ANOMALY).needs()
    images = torch.stack([picture(), picture().flip(2)])
    both = pspnet.features_of(images, wanted)
    for alone, prediction in zip(both, pspnet.predict(images, ["a", "b"], needs, 0), strict=True):
        torch.testing.assert_close(alone[wanted[0]], prediction.features[wanted[0]], atol=1e-6, rtol=1e-6)
        assert alone[wanted[1]].shape == (4096, 8, 12)
