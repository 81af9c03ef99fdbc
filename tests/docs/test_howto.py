"""Whoever follows a how-to page gets what it promises."""

import shutil
import subprocess
from pathlib import Path

import pytest
from segalarm.tests.support.page_steps import PAGES, blocks, environment, follow, steps

ROOT = PAGES.parent


@pytest.fixture
def project(tmp_path):
    """An empty package: the how-to pages begin with the `pyproject.toml` of the tutorial."""
    folder = tmp_path / "acme-alarms"
    folder.mkdir()
    (facts,) = (step.text for step in steps("tutorial.md") if step.path == "pyproject.toml")
    (folder / "pyproject.toml").write_text(facts)
    return folder


@pytest.mark.parametrize("page", ["method", "dataset", "segmenter", "images", "table-column"])
def test_a_page_works_as_it_is_written(page, project, tmp_path):
    variables = environment(tmp_path / "environment", tmp_path / "workspace")
    follow(f"howto/{page}.md", project, variables)


def test_the_changes_that_add_a_metric_apply_and_fill_a_column(tmp_path):
    package = tmp_path / "source" / "segalarm"
    package.mkdir(parents=True)
    for name in ("benchmark", "datasets", "methods", "results"):
        shutil.copytree(ROOT / name, package / name, ignore=shutil.ignore_patterns("records", "__pycache__"))
    for file in ROOT.glob("*.py"):
        shutil.copy(file, package)
    for change in blocks("howto/metric.md", "diff"):
        subprocess.run(["git", "apply", "-"], input=change, text=True, cwd=package, check=True)
    variables = environment(tmp_path / "environment", tmp_path / "workspace")
    follow("howto/metric.md", tmp_path, {**variables, "PYTHONPATH": str(package.parent)})


def test_every_how_to_page_is_tested():
    tested = {"method", "dataset", "segmenter", "images", "table-column", "metric"}
    assert {Path(page).stem for page in (PAGES / "howto").glob("*.md")} == tested
