"""Eq. 9 on PSPNet at five scales: passes that give all results, against separate passes for each. Run alone:

pytest -m slow -s tests/performance/test_scales_of_eq_9.py

Weights are random, and `BENCH_FRAME="360 640"` sets the size of the frame; 720 1280 is the published one.
"""

import os
import time
from statistics import median

import pytest
import torch
from segalarm.benchmark.interfaces import Features, Preset, Protocol
from segalarm.benchmark.plugins.configure import configure
from segalarm.benchmark.segmenters.mmsegmentation.multi_scale import segment
from segalarm.benchmark.segmenters.mmsegmentation.paper_networks import STREET_SCALES, PSPNet
from segalarm.datasets.streethazards import StreetHazards

pytestmark = pytest.mark.slow
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
FRAME = tuple(map(int, os.environ.get("BENCH_FRAME", "360 640").split()))
SCALES = tuple(short * FRAME[0] // 720 for short in STREET_SCALES)
WANTED = Features("decoder", SCALES)


@pytest.fixture
def inference(tmp_path):
    from safetensors.torch import save_file

    info = StreetHazards.info
    config = configure(
        PSPNet, "pspnet", {"scales": SCALES, "divisor": 8}, Preset.SMOKE, Protocol.OFFICIAL, info
    )
    segmenter = PSPNet(config, info)
    state = {name: tensor.contiguous() for name, tensor in segmenter._untrained.state_dict().items()}
    save_file(state, tmp_path / "segmenter.safetensors")
    segmenter.load(tmp_path, "cpu")
    return segmenter


def seconds(call):
    start = time.perf_counter()
    with torch.no_grad():
        call()
    return time.perf_counter() - start


def test_one_pass_a_scale_takes_at_most_0_55_of_separate_passes(inference):
    image, synthesized = torch.rand(2, 1, 3, *FRAME)

    def separate():
        """Logits of five scales, then features of five scales, both of image and synthesis."""
        for view in (image, synthesized):
            segment(inference._ready, view, SCALES, [])
            total = torch.zeros(())
            for short in SCALES:
                of_scale = Features(WANTED.layer, (short,))
                total = total + segment(inference._ready, view, (short,), [of_scale])[2][of_scale]

    def together():
        segment(inference._ready, image, SCALES, [WANTED])
        inference.features_of(synthesized, [WANTED])

    together()  # The first pass is slower than the others.
    pairs = [(seconds(separate), seconds(together)) for _ in range(REPEATS)]
    ratio = median(one / other for other, one in pairs)
    print("\n" + ", ".join(f"separate {other:.1f} s, together {one:.1f} s" for other, one in pairs))
    print(f"ratio {ratio:.2f}")
    assert ratio <= 0.55
