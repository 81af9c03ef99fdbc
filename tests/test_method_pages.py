"""Every registered method has a page in `docs/methods/` that is complete and names files that exist."""

import re
from pathlib import Path

import pytest
from segalarm.benchmark.interfaces import Task
from segalarm.benchmark.plugins.registry import load_registry

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "methods"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.stem != "index")
BUILT_IN = {
    entry.name: entry for entry in load_registry() if entry.kind == "methods" and entry.plugin == "segalarm"
}
DATA = {(2,): "images", (2, 3): "images, volumes"}


def rows_of_index():
    """The columns of each row of the table of all methods, by the row's method."""
    table = (FOLDER / "index.md").read_text().partition("## All methods")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| [")]
    return {re.match(r"\[([\w-]+)\]", row[0])[1]: row for row in rows}


def test_every_method_has_a_page_and_every_page_a_method():
    assert sorted(path.stem for path in PAGES) == sorted(BUILT_IN)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_says_all_that_a_page_should(page):
    text = page.read_text()
    for part in ("**Idea.**", "**Equations.**", "\n$$\n", "**Needs.**", "**Cost.**", "**Protocols.**"):
        assert part in text, part
    assert "| symbol | meaning |" in text


@pytest.mark.parametrize("page", [*PAGES, FOLDER / "index.md"], ids=lambda path: path.stem)
def test_files_and_pages_that_a_page_names_exist(page):
    text = page.read_text()
    for name in re.findall(r"`([\w/.-]+/[\w.-]+)`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`([\w-]+\.(?:py|md))`", text):
        raise AssertionError(f"{name}: name the whole path, from the root of the repository")
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (FOLDER / link).is_file(), link


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_page_names_the_file_of_its_method(name):
    module = BUILT_IN[name].target.partition(":")[0].removeprefix("segalarm.").replace(".", "/")
    assert f"`{module}.py`" in (FOLDER / f"{name}.md").read_text()


@pytest.mark.parametrize("page", [*PAGES, FOLDER / "index.md"], ids=lambda path: path.stem)
def test_equations_are_closed_and_no_bar_in_one_cuts_a_cell_of_a_table(page):
    blocks = page.read_text().split("\n$$\n")
    assert len(blocks) % 2 == 1
    for line in "\n".join(blocks[::2]).splitlines():
        assert line.count("$") % 2 == 0, line
        assert not any("|" in equation for equation in line.split("$")[1::2]), line


def test_the_index_has_every_method_with_its_registered_facts():
    rows = rows_of_index()
    assert list(rows) == list(BUILT_IN)
    for name, (link, idea, tasks, data, trains, source) in rows.items():
        entry = BUILT_IN[name]
        assert link == f"[{name}]({name}.md)"
        assert idea.endswith(".")
        assert source
        assert tasks == ", ".join(f"`{task}`" for task in Task if task in entry.tasks)
        assert data == DATA[entry.ndims]
        assert trains in (("yes", "at image level") if entry.trains else ("no",))
