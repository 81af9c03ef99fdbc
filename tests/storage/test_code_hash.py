"""Which changes of code make an artifact stale."""

import sys

import pytest
from segalarm.benchmark.storage import code_hash as code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes modules of a package and hashes one, as a new process would."""
    monkeypatch.syspath_prepend(tmp_path)

    def hashed(module="made.top", **files):
        (tmp_path / "made").mkdir(exist_ok=True)
        for name, text in {"__init__": "", **files}.items():
            (tmp_path / "made" / f"{name}.py").write_text(text)
        for name in [name for name in sys.modules if name.split(".")[0] == "made"]:
            del sys.modules[name]
        for cached in (code._source, code._own_hash, code._tree, code._imports):
            cached.cache_clear()
        return code.code_hash(module)

    yield hashed
    for cached in (code._source, code._own_hash, code._tree, code._imports):
        cached.cache_clear()


def test_a_constant_counts(package):
    assert package(top="a = 1") != package(top="a = 2")


def test_comments_layout_and_docstrings_do_not(package):
    plain = package(top='def f():\n    """One."""\n    return 1\n')
    assert package(top='# note\n\n\ndef f():\n    """Two."""\n\n    return (1)\n') == plain


@pytest.mark.parametrize(
    "line", ["from made import below", "from made.below import b", "from .below import b"]
)
def test_what_is_imported_counts(package, line):
    assert package(top=line, below="b = 1") != package(top=line, below="b = 2")


def test_a_module_beside_does_not(package):
    assert package(top="a = 1", beside="b = 1") == package(top="a = 1", beside="b = 2")


def test_a_toy_and_what_it_alone_imports_do_not(package):
    text = "class Data:\n    def toy():\n        from made import below\n        return {}\n"
    first = package(top=text.format(1), below="b = 1")
    assert package(top=text.format(2), below="b = 2") == first


def test_registering_another_plugin_makes_nothing_stale():
    for module in (
        "segalarm.methods.msp",
        "segalarm.datasets.cityscapes",
        "segalarm.benchmark.segmenters.mmsegmentation.small_networks",
    ):
        found = code._closure(module)
        assert not found & {"segalarm.methods", "segalarm.datasets", "segalarm.benchmark.segmenters"}


def test_a_reader_does_not_depend_on_the_scene_generator():
    assert "segalarm.datasets.generators.scenes" not in code._closure("segalarm.datasets.streethazards")
    assert "segalarm.datasets.generators.scenes" in code._closure("segalarm.datasets.streethazards_mini")
