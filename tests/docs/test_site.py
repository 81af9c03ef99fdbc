"""The documentation site is complete, and needs nothing from a network."""

import os
import re
import subprocess
import sys

import pytest
import segalarm
import segalarm.testing
import segalarm.training
from segalarm.tests.support.page_steps import PAGES

ROOT = PAGES.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site. With `--strict` a warning is an error: a broken link, a missing page."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def pages(site):
    """Name and HTML of every page."""
    return {str(file.relative_to(site)): file.read_text() for file in site.rglob("*.html")}


def test_every_page_of_the_documentation_is_in_the_site(site):
    built = {name.removesuffix(".html").replace("index", "") for name in pages(site)}
    written = {
        str(file.relative_to(PAGES).with_suffix("")).replace("README", "").replace("index", "")
        for file in PAGES.rglob("*.md")
    }
    assert written <= built


def test_no_page_loads_anything_from_a_network(site):
    loads = re.compile(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+href="(?:https?:)?//')
    assert [name for name, text in pages(site).items() if loads.search(text)] == []
    styles = [file for file in site.rglob("*.css") if re.search(r"url\(['\"]?(https?:)?//", file.read_text())]
    assert styles == []


def test_every_equation_has_become_mathml(site):
    built = pages(site)
    assert "<math" in built["methods/synthcp.html"]
    for name, text in built.items():
        assert "arithmatex" not in text, name
        for equation in re.findall(r"<math.*?</math>", text, re.DOTALL):
            assert "\\" not in equation, f"{name}: a command of LaTeX is unknown to latex2mathml: {equation}"


@pytest.mark.parametrize("module", [segalarm, segalarm.testing, segalarm.training], ids=lambda m: m.__name__)
def test_the_reference_describes_every_public_name(site, module):
    text = pages(site)[f"reference/{module.__name__.rpartition('.')[2]}.html"]
    for name in module.__all__:
        assert f'id="{module.__name__}.{name}"' in text or f"<code>{module.__name__}.{name}</code>" in text, (
            name
        )


@pytest.mark.parametrize(
    "page",
    [*sorted(PAGES.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_files_that_a_page_names_exist(page):
    roots = "benchmark|datasets|docs|methods|results|scripts|tests"
    for path in re.findall(rf"`((?:{roots})/[\w./-]+)`", page.read_text()):
        assert "NAME" in path or (ROOT / path).exists(), f"{page.relative_to(ROOT)} names {path}"
