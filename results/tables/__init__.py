"""The paper's tables, and the code that fills tables from records and prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...benchmark.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from ...benchmark.plugins.registry import Register


@hookimpl
def register_tables(register: Register) -> None:
    """Add the paper's tables."""
    here = f"{__name__}.paper"
    register("table1", f"{here}:TABLE1", summary="failure detection on Cityscapes, image and pixel level")
    register("table2", f"{here}:TABLE2", summary="failure detection on pancreatic tumours (MSD)")
    register("table3", f"{here}:TABLE3", summary="anomaly segmentation on StreetHazards")
    register("table4", f"{here}:TABLE4", summary="SynthCP on StreetHazards over its threshold t")
