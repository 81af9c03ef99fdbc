"""What `bench table`, `check`, `doctor` and `list` say of plugins with a fault."""

import importlib
import sys
import types

import pytest
from click.testing import CliRunner
from segalarm import Section, TableSpec, Task
from segalarm.benchmark.interfaces.errors import BenchError, ExtraMissingError, UnknownNameError
from segalarm.benchmark.plugins.registry import Entry, Registry, load_registry
from segalarm.results.registered_tables import load_table

# By `import_module`: the attribute `doctor` of the package is the command.
check_plugin, doctor, list_names, print_tables = (
    importlib.import_module(f"segalarm.benchmark.commands.{name}")
    for name in ("check_plugin", "doctor", "list_names", "print_tables")
)
SECTIONS = (Section(Task.ANOMALY, "unknown objects", ("AUROC",)),)


@pytest.fixture
def registry(monkeypatch):
    """The built-in names, and names of the plugin `fieldwork`, most of which are at fault."""
    module = types.ModuleType("fieldwork")
    module.COWS = TableSpec(name="cows", title="Cows", dataset="streethazards", sections=SECTIONS)
    module.ASTRAY = TableSpec(name="astray", title="Cows", dataset="streethazard", sections=SECTIONS)
    module.OTHER = TableSpec(name="other-name", title="Cows", dataset="streethazards", sections=SECTIONS)
    monkeypatch.setitem(sys.modules, "fieldwork", module)
    built_in = load_registry()
    entries = {kind: dict(names) for kind, names in built_in.entries.items()}
    for name in ("cows", "astray", "other", "typo"):
        entries["tables"][name] = [Entry("tables", name, f"fieldwork:{name.upper()}", "fieldwork", "1")]
    entries["datasets"]["meadow"] = [Entry("datasets", "meadow", "fieldwork:Meadow", "fieldwork", "1")]
    registry = Registry(built_in.manager, entries)
    for command in (check_plugin, doctor, list_names, print_tables):
        monkeypatch.setattr(command, "load_registry", lambda: registry)
    return registry


def run(command, *words):
    return CliRunner().invoke(command, words)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("astray", r"unknown data set 'streethazard'\. Did you mean streethazards"),
        ("other", "name='other-name'; give it the name that is registered"),
        ("typo", "cannot be imported: AttributeError"),
    ],
)
def test_a_faulty_table_is_named_with_its_plugin(registry, name, fault):
    where = rf"table '{name}' of plugin 'fieldwork' \(fieldwork:{name.upper()}\)"
    with pytest.raises(BenchError, match=rf"{where}.*{fault}"):
        load_table(registry, name)


def test_a_table_may_hold_a_data_set_that_only_records_know(registry):
    assert load_table(registry, "astray", ["streethazard"]).name == "astray"


def test_a_faulty_table_does_not_keep_the_others_from_being_printed(registry, tmp_path):
    printed = run(print_tables.table, "--records", str(tmp_path))
    assert printed.exit_code == 1
    assert "## cows: Cows" in printed.stdout
    assert "table1" in printed.stdout
    assert printed.stderr.count("of plugin 'fieldwork'") == 3


def test_a_table_is_checked(registry):
    assert run(check_plugin.check, "cows").output == "ok   names metrics and data sets that exist\n"
    checked = run(check_plugin.check, "astray")
    assert checked.exit_code == 1
    assert checked.output.startswith("BAD  can be loaded: table 'astray' of plugin 'fieldwork'")


def test_a_class_that_cannot_be_loaded_gives_one_message(registry):
    checked = run(check_plugin.check, "meadow")
    assert checked.exit_code == 1
    (line,) = checked.output.splitlines()
    assert "dataset 'meadow' of plugin 'fieldwork' (fieldwork:Meadow) cannot be imported" in line


def test_a_misspelt_name_gets_near_names_alone(registry):
    with pytest.raises(UnknownNameError) as caught:
        check_plugin.check.main(["mspp"], standalone_mode=False)
    assert "Did you mean msp" in str(caught.value)
    assert "streethazards" not in str(caught.value)
    with pytest.raises(UnknownNameError, match="streethazards"):
        check_plugin.check.main(["0"], standalone_mode=False)


def test_the_doctor_tells_a_fault_from_an_optional_package(registry, tmp_path, monkeypatch):
    load = Entry.load

    def without_monai(entry):
        if entry.name == "ah-net":
            raise ExtraMissingError("segmenter ah-net", "medical", "monai")
        return load(entry)

    monkeypatch.setattr(Entry, "load", without_monai)
    lines = run(doctor.doctor, "--workspace", str(tmp_path)).output.splitlines()
    (ahnet,) = (line for line in lines if "ah-net" in line)
    assert ahnet.startswith("off  segmenter ah-net: segmenter ah-net needs the package 'monai'")
    assert sum(line.startswith("BAD  table") for line in lines) == 3


def test_a_name_is_listed_as_registered_whether_or_not_it_can_be_imported(registry):
    (line,) = (line for line in run(list_names.list_names).output.splitlines() if "meadow" in line)
    assert line.split()[-1] == "registered"
