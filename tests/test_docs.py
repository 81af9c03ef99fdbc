"""What the documents say is what the program does."""

import subprocess
import sys
from pathlib import Path

from segalarm.benchmark.storage.record import read_records

ROOT = Path(__file__).parent.parent


def test_the_page_of_commands_is_up_to_date():
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "commands"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / "commands.md").read_text() == made.stdout, "scripts/commands > docs/commands.md"


def test_every_command_shows_examples():
    page = (ROOT / "docs" / "commands.md").read_text()
    for part in page.split("## ")[1:]:
        assert "Examples:\n    bench" in part, part


def test_the_committed_records_are_valid_and_name_no_machine():
    folder = ROOT / "results" / "records"
    records = read_records(folder)
    assert {record.status for record in records} == {"ok"}
    assert not any(record.provenance.git.dirty for record in records)
    for file in folder.iterdir():
        assert "/home/" not in file.read_text()
        assert "site-packages" not in file.read_text()
