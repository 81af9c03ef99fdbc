"""A change to a part of a network makes the weights of the segmenters stale that may contain the part."""

from pathlib import Path

import pytest
from segalarm.benchmark.segmenters.mmsegmentation import architectures
from segalarm.benchmark.segmenters.mmsegmentation.adapter import MMSegmenter
from segalarm.benchmark.segmenters.mmsegmentation.paper_networks import DeepLab
from segalarm.benchmark.segmenters.volumetric.unet3d import UNet3DSegmenter
from segalarm.benchmark.storage.code_hash import Definition, reached

PARTS = sorted(
    file.stem for file in Path(architectures.__file__).parent.glob("*.py") if file.stem != "__init__"
)


def code_of(segmenter):
    return reached(Definition(segmenter.__module__, segmenter.__name__))


@pytest.mark.parametrize("segmenter", [MMSegmenter, DeepLab])
def test_every_part_counts_as_a_whole_since_any_config_may_name_it(segmenter):
    code = code_of(segmenter)
    assert {f"{architectures.__name__}.{part}" for part in PARTS} <= {
        definition.module for definition in code if not definition.name
    }


def test_parts_of_networks_for_images_do_not_count_for_volumes():
    assert not [name for name, _ in code_of(UNet3DSegmenter) if name.startswith(architectures.__name__)]
