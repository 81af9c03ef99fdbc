"""What the documents say is what the program does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
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


@pytest.mark.parametrize(
    "page",
    [
        "docs/methods/msp.md",
        "docs/methods/entropy.md",
        "docs/methods/ae.md",
        "docs/methods/msp-crf.md",
        "docs/methods/standardized-maxlogit.md",
        "docs/methods/mahalanobis.md",
        "docs/methods/knn.md",
        "docs/methods/mcdropout.md",
        "docs/methods/ensemble.md",
        "docs/methods/direct-prediction.md",
        "docs/methods/jungo.md",
        "docs/methods/kwon.md",
        "docs/methods/synthcp-vae.md",
        "docs/methods/ensemble-agreement.md",
        "methods/vae_alarm/README.md",
        "methods/synthcp/README.md",
    ],
)
def test_a_methods_page_says_all_that_a_page_should(page):
    text = (ROOT / page).read_text()
    for part in ("**Idea.**", "**Equations.**", "| symbol | meaning |", "**Needs.**", "**Cost.**"):
        assert part in text, part
    assert "**Protocols.**" in text or "| | `official` | `paper` |" in text
    for name in re.findall(r"`([\w/]+\.py)`", text):
        assert (ROOT / name).exists() or (ROOT / page).with_name(name).exists(), name


def test_the_committed_records_are_valid_and_name_no_machine():
    folder = ROOT / "results" / "records"
    records = read_records(folder)
    assert {record.status for record in records} == {"ok"}
    assert not any(record.provenance.git.dirty for record in records)
    for file in folder.iterdir():
        assert "/home/" not in file.read_text()
        assert "site-packages" not in file.read_text()
