"""The example in the documentation of `segalarm.training` runs as it is printed."""

import textwrap

import numpy as np
import segalarm.training
import torch
from segalarm.benchmark.interfaces import VOID, Sample, Truth
from segalarm.tests.support.contexts import bare_context
from torch import nn

STEPS = "500"


class Half:
    """The left half is bright and void, the right half dark and labelled."""

    def image(self):
        return np.repeat([0.9, 0.1], 8).astype(np.float32)[None, None].repeat(16, 1).repeat(3, 0)

    def truth(self):
        label = np.repeat([VOID, 0], 8)[None].repeat(16, 0)
        return Truth(label, None, label != VOID)


def test_it_trains_a_network(tmp_path):
    text = segalarm.training.__doc__
    code = textwrap.dedent(text[text.index("    import torch") :])
    assert STEPS in code
    names = {"VOID": VOID}
    exec(code.replace(STEPS, "60").replace("warmup=20", "warmup=2").replace("1e-3", "1e-2"), names)
    half = Half()
    samples = [Sample(str(n), half.image, half.truth) for n in range(2)]
    context = bare_context(tmp_path, None, train=samples)
    method = type("Method", (), {})()
    names["fit"](method, None, context)
    assert isinstance(method.network, nn.Module)
    with torch.no_grad():
        labelled = method.network(torch.from_numpy(half.image())[None])[0, 0] > 0
    assert not labelled[:, :7].any()
    assert labelled[:, 9:].all()
