"""Which changes of code make an artifact stale."""

import sys
from importlib import import_module

import pytest
from segalarm.benchmark.evaluation.anomaly import AnomalyEvaluator
from segalarm.benchmark.interfaces import Truth
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.storage import code_hash
from segalarm.benchmark.storage.code_hash import Definition, definition_of, reached


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes the modules of a package anew, and hashes definitions as a new process would."""
    monkeypatch.syspath_prepend(tmp_path)

    def hashed(roots=("top:f",), **files):
        for old in tmp_path.rglob("*.py"):
            old.unlink()
        for name, text in {"__init__": "", **files}.items():
            file = tmp_path / "made" / f"{name.replace('__in__', '/')}.py"
            file.parent.mkdir(exist_ok=True, parents=True)
            file.write_text(text)
        for name in [name for name in sys.modules if name.split(".")[0] == "made"]:
            del sys.modules[name]
        code_hash.forget()
        found = []
        for root in roots:
            module, _, name = root.partition(":")
            found.append(getattr(import_module(f"made.{module}"), name) if name else f"made.{module}")
        return code_hash.code_hash(*found)

    yield hashed
    code_hash.forget()


USE = "from .below import b\n\ndef f():\n    return b\n"


def test_a_constant_that_is_read_counts(package):
    text = "a = {}\n\ndef f():\n    return a\n"
    assert package(top=text.format(1)) != package(top=text.format(2))


def test_a_constant_beside_it_does_not(package):
    text = "a = {}\n\ndef f():\n    return 1\n"
    assert package(top=text.format(1)) == package(top=text.format(2))


def test_comments_layout_docstrings_and_annotations_do_not(package):
    plain = package(top='def f(x):\n    """One."""\n    y = x\n    return 1\n')
    other = '# note\n\n\ndef f(x: int) -> int:\n    """Two."""\n\n    y: float = x\n    return (1)\n'
    assert package(top=other) == plain


def test_docstrings_of_modules_classes_and_constants_do_not_count(package):
    text = '"""{0}."""\n\na = 1\n"""{0}."""\n\nclass f:\n    """{0}."""\n    b = a\n    """{0}."""\n'
    assert package(top=text.format("One")) == package(top=text.format("Two"))


def test_fields_of_a_class_count_with_their_annotations(package):
    text = "class C:\n    a: {} = 1\n"
    assert package(("top:C",), top=text.format("int")) != package(("top:C",), top=text.format("float"))


@pytest.mark.parametrize(
    "line", ["from made.below import b", "from .below import b", "from . import below\nb = below.b"]
)
def test_what_is_imported_and_read_counts(package, line):
    text = f"{line}\n\ndef f():\n    return b\n"
    assert package(top=text, below="b = 1") != package(top=text, below="b = 2")
    assert package(top=text, below="b = 1\nc = 1") == package(top=text, below="b = 1\nc = 2")


def test_an_import_inside_a_function_counts(package):
    text = "def f():\n    from .below import b\n    return b\n"
    assert package(top=text, below="b = 1") != package(top=text, below="b = 2")


def test_a_base_class_and_what_its_methods_read_count(package):
    text = "from .below import Base\n\nclass f(Base):\n    pass\n"
    base = "from .deep import c\n\nclass Base:\n    def g(self):\n        return c\n"
    assert package(top=text, below=base, deep="c = 1") != package(top=text, below=base, deep="c = 2")


def test_a_module_that_is_passed_around_counts_as_a_whole(package):
    text = "from . import below\n\ndef f():\n    return vars(below)\n"
    assert package(top=text, below="b = 1") != package(top=text, below="b = 2")


def test_a_module_that_is_imported_for_its_effects_counts_as_a_whole(package):
    text = "def f():\n    from . import below\n"
    assert package(top=text, below="b = 1") != package(top=text, below="b = 2")


def test_statements_that_run_at_import_count(package):
    text = "a = []\na.append({})\n\ndef f():\n    return 1\n"
    assert package(top=text.format(1)) != package(top=text.format(2))


def test_a_local_name_is_no_global_one(package):
    text = "b = {}\n\ndef f(b):\n    return b\n"
    assert package(top=text.format(1)) == package(top=text.format(2))


def test_a_moved_module_changes_nothing(package):
    plain = package(top=USE, below="b = 1")
    moved = package(
        ("room.top:f",),
        room__in____init__="",
        room__in__top="from ..cellar import b\n\ndef f():\n    return b\n",
        cellar="b = 1",
    )
    assert moved == plain


def test_a_renamed_module_changes_nothing_even_where_it_is_named(package):
    text = "from . import {0}\n\ndef f():\n    return {0}.b\n"
    plain = package(top=text.format("below"), below="b = 1")
    assert package(top=text.format("cellar"), cellar="b = 1") == plain


def test_another_library_is_another_computation(package):
    text = "import {0}\n\ndef f():\n    return {0}.floor(1.5)\n"
    assert package(top=text.format("math")) != package(top=text.format("numpy"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "import math as m\n\ndef f():\n    return m.floor(1)\n",
            "import numpy as m\n\ndef f():\n    return m.floor(1)\n",
        ),
        (
            "from torch.nn.utils import spectral_norm\n\ndef f():\n    return spectral_norm(1)\n",
            "from torch.nn.utils import weight_norm as spectral_norm\n\n"
            "def f():\n    return spectral_norm(1)\n",
        ),
        (
            "from .below import x as a, y as b\n\ndef f():\n    return a() - b()\n",
            "from .below import y as a, x as b\n\ndef f():\n    return a() - b()\n",
        ),
        (
            "from . import below, beside\n\ndef f():\n    return below.x() - beside.x()\n",
            "from . import below, beside\n\ndef f():\n    return beside.x() - below.x()\n",
        ),
    ],
    ids=["library", "alias of a library", "aliases", "modules"],
)
def test_a_name_that_stands_for_something_else_counts(package, one, other):
    files = {
        "below": "def x():\n    return 1\n\ndef y():\n    return 2\n",
        "beside": "def x():\n    return 3\n",
    }
    assert package(top=one, **files) != package(top=other, **files)


def test_an_alias_does_not_count(package):
    below = "def x():\n    return 1\n"
    plain = package(top="from .below import x\n\ndef f():\n    return x()\n", below=below)
    alias = package(top="from .below import x as other\n\ndef f():\n    return other()\n", below=below)
    assert plain == alias


def test_what_an_error_says_does_not_count(package):
    text = "from .below import g\n\ndef f(x):\n    return g(x)\n"
    below = "def g(x):\n    raise ValueError(f'{}: {{x}}')\n"
    assert package(top=text, below=below.format("bad")) == package(top=text, below=below.format("worse"))


def test_what_people_read_of_a_data_set_does_not_count(package):
    text = "DatasetInfo = dict\n\nclass f:\n    info = DatasetInfo(name={!r}, summary={!r})\n"
    assert package(top=text.format("a", "one")) == package(top=text.format("a", "two"))
    assert package(top=text.format("a", "one")) != package(top=text.format("b", "one"))


def test_a_star_import_of_a_package_is_followed(package):
    files = {
        "top": "from .room import b\n\ndef f():\n    return b\n",
        "room__in____init__": "from .home import *\n",
    }
    assert package(**files, room__in__home="b = 1") != package(**files, room__in__home="b = 2")


def test_a_function_that_moves_to_another_module_changes_nothing(package):
    one = package(top="def f():\n    return g()\n\ndef g():\n    return 1\n")
    assert (
        package(top="from .below import g\n\ndef f():\n    return g()\n", below="def g():\n    return 1\n")
        == one
    )


def test_a_name_that_a_package_re_exports_is_followed_to_its_home(package):
    text = "from .room import b\n\ndef f():\n    return b\n"
    room = {"top": text, "room__in____init__": "from .home import b\nfrom .other import c\n"}
    first = package(**room, room__in__home="b = 1", room__in__other="c = 1")
    assert package(**room, room__in__home="b = 2", room__in__other="c = 1") != first
    assert package(**room, room__in__home="b = 1", room__in__other="c = 2") == first


def test_a_toy_and_what_it_alone_imports_do_not_count(package):
    text = "from .below import b\n\nclass f:\n    @classmethod\n    def toy(cls):\n        return b, {}\n"
    first = package(top=text.format(1), below="b = 1")
    assert package(top=text.format(2), below="b = 2") == first


def test_the_order_of_roots_does_not_matter(package):
    files = {"top": "def f():\n    return 1\n\ndef g():\n    return 2\n"}
    assert package(("top:f", "top:g"), **files) == package(("top:g", "top:f"), **files)


def test_the_harness_that_a_foreign_plugin_calls_counts(package):
    package(top="from segalarm.training import poly\n\ndef f():\n    return poly(1)\n")
    names = reached(Definition("made.top", "f"))
    assert any(definition.name == "poly" and "training" in definition.module for definition in names)


def loaded(kind, name):
    return load_registry().get(kind, name).load()


def files_of(root):
    return {definition.module.rpartition(".")[2] for definition in reached(definition_of(root))}


@pytest.mark.parametrize(
    ("kind", "name"), [("methods", "msp"), ("datasets", "cityscapes"), ("segmenters", "lite0")]
)
def test_registering_another_plugin_makes_nothing_stale(kind, name):
    modules = {definition.module for definition in reached(definition_of(loaded(kind, name)))}
    assert not modules & {"segalarm.methods", "segalarm.datasets", "segalarm.benchmark.segmenters"}
    assert not any(".interfaces" in module or ".plugins" in module for module in modules)


def test_a_reader_does_not_depend_on_the_scene_generator():
    assert "scenes" not in files_of(loaded("datasets", "streethazards"))
    assert "scenes" in files_of(loaded("datasets", "streethazards-mini"))


def test_an_architecture_that_a_config_names_counts():
    assert "deeplab" in files_of(loaded("segmenters", "deeplab"))
    assert "efficientnet" in files_of(loaded("segmenters", "lite0"))


def test_the_generator_counts_for_synthcp_and_not_for_direct_prediction():
    assert "spade" in files_of(loaded("methods", "synthcp"))
    assert "spade" not in files_of(loaded("methods", "direct-prediction"))


def test_an_evaluator_does_not_depend_on_another_task():
    names = {definition.name for definition in reached(definition_of(AnomalyEvaluator))}
    assert "PixelFailureEvaluator" not in names
    assert "ImageFailureEvaluator" not in names


def test_a_contract_counts_where_it_is_a_root_itself():
    assert reached(definition_of(Truth)) == {definition_of(Truth)}
