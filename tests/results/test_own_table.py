"""A table that is not the paper's: a spec of four lines, as a plugin registers it."""

from pathlib import Path

import pytest
from segalarm.benchmark.evaluation.metric_catalogue import metrics_of
from segalarm.benchmark.interfaces import Task
from segalarm.benchmark.interfaces.errors import UnknownNameError
from segalarm.benchmark.storage.record import read_records
from segalarm.results.table_spec import Section, TableSpec
from segalarm.results.tables.build import build_table
from segalarm.results.tables.paper import TABLE1, TABLE2, TABLE3, TABLE4
from segalarm.results.tables.render import render

OWN = TableSpec(
    name="roads",
    title="Anomalies on roads",
    dataset="roadanomaly",
    sections=(Section(Task.ANOMALY, "anomalies", metrics=("F1", "AUPR"), more=("PPV",)),),
)


@pytest.fixture(scope="module")
def records():
    return read_records(Path(__file__).parents[2] / "results" / "records")


def test_a_table_without_published_numbers_lists_what_was_measured(records):
    table = build_table(OWN, records)
    text = render(table)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert "## roads: Anomalies on roads" in text
    assert not any("published" in grid.caption for grid in table.grids)
    assert ["Method", "F1 ↑", "AUPR ↑"] in lines
    methods = {r.identity.method for r in records if r.identity.dataset == "roadanomaly"}
    assert {line[0].split(" [")[0] for line in lines[3:]} == methods
    assert "PPV" in render(build_table(OWN, records, all_metrics=True))


def test_a_metric_that_its_task_has_not_is_named():
    with pytest.raises(UnknownNameError, match=r"metric of the task anomaly 'AUROCC'.* Did you mean AUROC"):
        Section(Task.ANOMALY, "anomalies", ("AUROCC",))
    with pytest.raises(UnknownNameError, match="'ECE'"):
        Section(Task.ANOMALY, "anomalies", ("AUROC",), more=("ECE",))


def test_the_papers_tables_print_the_published_aggregations():
    for spec in (TABLE1, TABLE2, TABLE3, TABLE4):
        for section in spec.sections:
            published = [metric.name for metric in metrics_of(section.task) if metric.published]
            assert sorted(section.metrics) == sorted(published)
            assert not set(section.more) & set(published)
