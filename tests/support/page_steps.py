"""The files and commands of a documentation page, as steps that a test can run in a folder of its own."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

PAGES = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PROGRAMS = {"bench": "segalarm", "pip": "pip", "pytest": "pytest"}
"""The commands that pages use, with the modules that they run."""


class Step(NamedTuple):
    """A file to write (`path`, `text`), or commands to run (no `path`) with the output that is shown."""

    path: str
    text: str
    shown: str = ""


def blocks(page, language):
    """The text of a page's fenced blocks in one language."""
    return [text for name, _, text in FENCE.findall((PAGES / page).read_text()) if name == language]


def steps(page):
    """The steps of a page: fenced blocks with a title are files, `bash` are commands, `text` their output."""
    found = []
    for language, title, text in FENCE.findall((PAGES / page).read_text()):
        if title:
            found.append(Step(title, text))
        elif language == "bash":
            found.append(Step("", text))
        elif language == "text":
            assert found, f"{page}: output without a command:\n{text}"
            assert not found[-1].path, f"{page}: output without a command:\n{text}"
            found[-1] = found[-1]._replace(shown=text)
    return found


def environment(folder, workspace):
    """The variables of a shell in which `bench`, `pip` and `pytest` are those of this environment.

    What the page installs goes into an environment in `folder`; everything else comes from the running one.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    bin_folder = folder / "bin"
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "outer.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    for program, module in PROGRAMS.items():
        (bin_folder / program).write_text(f'#!/bin/sh\nexec "{bin_folder}/python" -m {module} "$@"\n')
        (bin_folder / program).chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("BENCH_")},
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "BENCH_HOME": str(workspace),
        # Installs what the page made and nothing else, without network.
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
    }


def follow(page, folder, variables):
    """Do what a page says, in `folder`; check that commands succeed and print what the page shows."""
    for step in steps(page):
        if step.path:
            file = folder / step.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text)
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", step.text],
            cwd=folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{page}: this failed:\n{step.text}\n{done.stdout}"
        printed = {alike(line) for line in done.stdout.splitlines()}
        for line in filter(None, map(alike, step.shown.splitlines())):
            assert line in printed, f"{page} shows a line that is not printed: {line}\n{done.stdout}"


def alike(line):
    """A line of output without what differs between machines (numbers, bold, widths of columns).

    Empty for lines that say nothing: rules of tables, and "..." where the page leaves lines out.
    """
    text = re.sub(r"-?\d+(\.\d+)?", "#", line.replace("*", ""))
    return "" if not re.search(r"[\w#]", text) else re.sub(r"\s+", " ", text).strip()
