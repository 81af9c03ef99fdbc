"""The numbers that tables print from the committed records stay the same when the code changes."""

import copy
from pathlib import Path

import pytest
from segalarm.tests.support.table_numbers import differences, dump, pack, read

RECORDS = Path(__file__).parents[2] / "results" / "records"
FILE = Path(__file__).with_name("tables_of_records.json.gz")
"""Made by version 0.1.0 before records had a second schema. The file says how to make it anew."""


@pytest.fixture(scope="module")
def expected():
    return read(FILE)


def test_every_number_of_every_table_is_the_same(expected, tmp_path):
    dump(RECORDS, tmp_path)
    assert len(expected) == 28
    assert sum(map(len, expected.values())) > 2000
    assert differences(expected, read(tmp_path)) == []


def test_a_pack_holds_what_was_packed(expected, tmp_path):
    pack(expected, tmp_path / "file")
    assert read(tmp_path / "file") == expected


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda cells: cells[3].update(value=1.5), "1.5"),
        (lambda cells: cells[3].update(label="MSP (t=1)"), "only after"),
        (lambda cells: cells.pop(), "only before"),
        (lambda cells: cells.insert(0, cells.pop(1)), "another order"),
    ],
)
def test_a_difference_is_found(expected, change, line):
    changed = copy.deepcopy(expected)
    change(changed["table3"])
    lines = differences(expected, changed)
    assert any(line in found for found in lines)
    assert all(found.startswith("table3: ") for found in lines)
