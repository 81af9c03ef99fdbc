"""Plugins from outside: a package that is installed, and packages that are at fault."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "third_party"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with acme-alarms installed, and five more plugins that are at fault."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for file in PACKAGE.rglob("*"):
        if file.suffix in (".py", ".toml"):
            copy = source / file.relative_to(PACKAGE)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(file.read_text())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", folder, source], check=True, capture_output=True)
    raises = "raise RuntimeError('out of cheese')"
    halfway = "register('half', 'half:Half'); raise KeyError('gone')"
    add(folder, "explodes", raises)
    add(folder, "halfway", hook(halfway))
    add(folder, "rival", hook("register('margin', 'rival:Margin', summary='another')"))
    add(folder, "usurper", commands("cli.add_command(click.Command('list', help='mine'))"))
    add(folder, "nowhere", hook("register('lost', 'nowhere.at.all:Lost', tasks=('anomaly',))"))
    return folder


def hook(body):
    return f"import segalarm\n@segalarm.hookimpl\ndef register_methods(register):\n    {body}\n"


def commands(body):
    return f"import click, segalarm\n@segalarm.hookimpl\ndef register_commands(cli):\n    {body}\n"


def add(folder, name, code):
    """Install a distribution of one module, with its entry point."""
    (folder / f"{name}.py").write_text(code)
    facts = folder / f"{name}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[segalarm]\n{name} = {name}\n")


def seeing(site):
    """The environment of a process that imports packages from `site`, too."""
    folders = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


def draw_stripes(site, folder):
    """Write the foreign data set's toy, in a process that sees the foreign package."""
    code = (
        "import sys, pathlib; from acme_alarms import stripes; stripes.Stripes.toy(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, folder], check=True, env=seeing(site))


@pytest.fixture
def bench(site):
    """Runs `bench` in a process of its own, with the plugins that are named, or with all."""

    def call(*words, plugins=None):
        environment = seeing(site)
        environment.pop("BENCH_PLUGINS", None)
        if plugins is not None:
            environment["BENCH_PLUGINS"] = plugins
        command = [sys.executable, "-m", "segalarm.cli", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return call


def test_a_foreign_method_runs_on_a_foreign_data_set(bench, site, tmp_path):
    draw_stripes(site, tmp_path / "stripes")
    where = ("--data", tmp_path / "stripes", "--workspace", tmp_path / "workspace")
    ran = bench("run", "--method", "margin,msp", "--dataset", "stripes", *where, plugins="acme")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    records = [json.loads(file.read_text()) for file in (tmp_path / "workspace/records").iterdir()]
    found = {record["identity"]["method"]: record for record in records}
    assert set(found) == {"margin", "msp"}
    assert found["margin"]["provenance"]["method"] == {"plugin": "acme", "version": "1.2.3"}
    assert found["msp"]["provenance"]["dataset"] == {"plugin": "acme", "version": "1.2.3"}
    assert 0 <= found["margin"]["metrics"]["per-image"]["AUROC"] <= 1


@pytest.mark.parametrize("name", ["margin", "stripes"])
def test_the_conformance_kit_takes_foreign_plugins(bench, name):
    checked = bench("check", name, plugins="acme")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_foreign_command_is_there(bench):
    assert bench("acme", plugins="acme").stdout == "hello from acme\n"


def test_a_built_in_command_wins_over_a_plugins_and_this_is_said(bench):
    listed = bench("list", plugins="usurper")
    assert "msp" in listed.stdout
    assert "broken plugin usurper: its command 'list' is left out" in listed.stdout


def test_an_unknown_command_says_which_plugins_are_broken(bench):
    asked = bench("explode", plugins="explodes")
    assert asked.returncode == 2
    assert "No such command 'explode'" in asked.stderr
    assert "Broken plugin 'explodes': RuntimeError: out of cheese." in asked.stderr


def test_a_plugin_that_fails_is_listed_and_the_rest_works(bench):
    listed = bench("list")
    assert listed.returncode == 0
    assert "broken plugin explodes: RuntimeError: out of cheese" in listed.stdout
    assert "broken plugin halfway: KeyError: 'gone'" in listed.stdout
    assert "half:Half" not in listed.stdout
    assert "msp" in listed.stdout


def test_a_name_that_two_plugins_register_names_both(bench, tmp_path):
    words = ("run", "--dataset", "streethazards-mini", "--workspace", tmp_path, "--method")
    ran = bench(*words, "margin")
    assert ran.returncode == 1
    assert "'acme' and 'rival'" in ran.stderr
    assert "BENCH_PLUGINS" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_bench_plugins_limits_what_loads(bench):
    rows = json.loads(bench("list", "--json", plugins="acme").stdout)
    assert rows["broken"] == []
    assert "margin" in [row["name"] for row in rows["names"]]
    rows = json.loads(bench("list", "--json", plugins="").stdout)
    assert "margin" not in [row["name"] for row in rows["names"]]


def test_a_target_that_cannot_be_imported_names_its_plugin(bench, tmp_path):
    words = ("--dataset", "streethazards-mini", "--preset", "smoke", "--workspace", tmp_path)
    ran = bench("run", "--method", "lost", *words, plugins="nowhere")
    assert ran.returncode == 1
    assert "plugin 'nowhere'" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_changed_constant_makes_that_method_stale_and_no_other(bench, site, tmp_path):
    draw_stripes(site, tmp_path / "stripes")
    where = ("--data", tmp_path / "stripes", "--workspace", tmp_path / "workspace")
    words = ("run", "--method", "margin,msp", "--dataset", "stripes", *where)
    assert bench(*words, plugins="acme").returncode == 0
    file = site / "acme_alarms" / "margin.py"
    whole = file.read_text()
    try:
        file.write_text(whole.replace("topk(2, dim=0)", "topk(2, dim=0, sorted=True)"))
        planned = bench(*words, "--dry-run", plugins="acme").stdout
    finally:
        file.write_text(whole)
    assert "to run   margin" in planned
    assert "cached   msp" in planned
    assert "cached   segmenter lite0" in planned
    other = bench(*words, "--set", "lite0.steps=3", "--dry-run", plugins="acme").stdout
    assert "to make  segmenter lite0" in other
    assert "to run   msp" in other
