"""The built wheel, installed in an environment of its own."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.splitlines()):
        if (ROOT / name).is_file():
            copy = source / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    subprocess.run(build, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """Runs python with the installed wheel; what it depends on comes from this environment."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    # A folder in PYTHONPATH runs no .pth file: the editable install of this environment is not seen.
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}

    def run(*words):
        return subprocess.run(
            [folder / "bin" / "python", *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
            check=False,
        )

    return run


def test_the_wheel_holds_the_one_package_and_all_of_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"segalarm"}
    source = {
        str(file.relative_to(ROOT))
        for folder in ("benchmark", "datasets", "methods", "results")
        for file in (ROOT / folder).rglob("*.py")
    }
    assert {f"segalarm/{name}" for name in source} <= set(names)
    assert "segalarm/py.typed" in names
    assert "segalarm/results/published/table3.csv" in names
    assert not [name for name in names if "/tests/" in name or "records/" in name]


def test_the_command_works_where_it_is_installed(python):
    listed = python("-m", "segalarm.cli", "list")
    assert listed.returncode == 0, listed.stderr
    assert "msp" in listed.stdout
    place = python("-c", "import segalarm; print(segalarm.__file__)")
    assert "fresh" in place.stdout


def test_no_top_level_name_is_taken(python):
    for name in ("datasets", "methods", "benchmark", "results"):
        found = python("-c", f"import importlib.util; print(importlib.util.find_spec('{name}'))")
        assert "segalarm" not in found.stdout


def test_our_own_configs_are_found(python):
    module = "segalarm.benchmark.segmenters.mmsegmentation.construction.config_files"
    code = f"from {module} import find_config; print(find_config('lite0'))"
    assert python("-c", code).stdout.strip().endswith("configs/lite0.py")
