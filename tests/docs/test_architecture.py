"""The table of rooms in docs/architecture.md is what the code is."""

import subprocess
import sys

from segalarm.tests.support.page_steps import PAGES


def test_the_table_of_rooms_is_up_to_date():
    graph = subprocess.run(
        [sys.executable, PAGES.parent / "scripts" / "import_graph"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert graph.returncode == 0, graph.stdout + graph.stderr
    assert graph.stdout in (PAGES / "architecture.md").read_text(), "scripts/import_graph --update"
