"""What a stranger's editor and type checker see in a checkout of any name, with nothing of it installed."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import jedi
import pytest

ROOT = Path(__file__).parent.parent
NAME = "anything"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The tracked files in a folder whose name is a Python identifier."""
    folder = tmp_path_factory.mktemp("checkout") / NAME
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py", "pyproject.toml", "py.typed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def test_an_editor_goes_from_a_name_to_its_definition(checkout):
    file = checkout / "methods" / "energy.py"
    lines = file.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "-> Needs" in text)
    script = jedi.Script(path=file, project=jedi.Project(checkout))
    (found,) = script.goto(line, lines[line - 1].index("Needs"), follow_imports=True)
    assert (found.name, found.type) == ("Needs", "class")
    assert found.module_path == checkout / "benchmark" / "interfaces" / "segmenter.py"


def test_a_type_checker_follows_all_imports(checkout):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(checkout / ".mypy_cache")],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "no issues found" in done.stdout


def test_only_the_command_line_imports_the_package_by_its_name(checkout):
    absolute = [file.name for file in checkout.rglob("*.py") if "segalarm" in packages_imported_by(file)]
    assert absolute == ["cli.py"]


def packages_imported_by(file):
    """The top-level packages that a module imports by their names."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names}
