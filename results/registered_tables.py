"""Tables as plugins registered them, checked before one is printed."""

from __future__ import annotations

from collections.abc import Collection

from ..benchmark.interfaces.errors import BenchError, UnknownNameError
from ..benchmark.plugins.registry import Registry
from .table_spec import TableSpec


def load_table(registry: Registry, name: str, more_datasets: Collection[str] = ()) -> TableSpec:
    """Load a registered table.

    Args:
        name: the name that the table is registered by.
        more_datasets: names of data sets that a table may hold although no plugin registers them, such as
            those of records.

    Raises:
        UnknownNameError: no plugin registered the name.
        BenchError: the table cannot be imported, has another name than it is registered by, or names a data
            set that does not exist. The message gives the table, its plugin and its target.
    """
    entry = registry.get("tables", name)
    spec = entry.load()
    if not isinstance(spec, TableSpec):
        raise BenchError(f"{entry.where}: expected a TableSpec, got {type(spec).__name__}")
    if spec.name != entry.name:
        raise BenchError(
            f"{entry.where}: its TableSpec has name='{spec.name}'; give it the name that is registered"
        )
    datasets = {*registry.names("datasets"), *more_datasets}
    for dataset in (spec.dataset, *spec.more_datasets):
        if dataset not in datasets:
            raise BenchError(f"{entry.where}: {UnknownNameError('data set', dataset, datasets)}")
    return spec
