"""Tables 3 and 4: aggregations, and how an option's value was found."""

import json
from pathlib import Path

import pytest
from segalarm.benchmark.storage.identity import Tuned
from segalarm.benchmark.storage.record import read_records
from segalarm.benchmark.storage.record_parts import Compared, Trial, Tuning
from segalarm.results.tables.build import build_table
from segalarm.results.tables.paper import TABLE3, TABLE4
from segalarm.results.tables.render import render

FOLDER = Path(__file__).parents[2] / "results" / "records"


@pytest.fixture(scope="module")
def records():
    found = [r for r in read_records(FOLDER) if r.identity.dataset == "streethazards"]
    return [r for r in found if r.identity.seed == 0]


def published(record):
    config = record.identity.method_config
    return config.get("fusion", "gate") == "gate" and not config.get("reduce")


@pytest.fixture(scope="module")
def synthcp(records):
    """A record without anything that footnotes tell: each test adds its own."""
    found = next(r for r in records if r.identity.method_config.get("t") == 0.999 and published(r))
    return found.model_copy(update={"compared": None, "caveats": (), "runs_in_pass": None})


def rows(text, *words):
    return [
        [cell.strip().strip("*") for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("|") and all(word in line for word in words)
    ]


@pytest.mark.parametrize("aggregation", ["per-image", "pooled"])
def test_either_aggregation_is_printed_from_every_record(records, aggregation):
    table = build_table(TABLE3, records, variant="camvid", aggregation=aggregation)
    msp = next(r for r in records if r.identity.method == "msp")
    found = json.loads(render(table, "json"))
    cells = [cell for cell in found if (cell["method"], cell["source"]) == ("msp", "measured")]
    assert {cell["metric"]: cell["value"] for cell in cells} == {
        name: pytest.approx(100 * msp.metrics[aggregation][name]) for name in ("FPR95", "AUROC", "AUPR")
    }
    assert {cell["aggregation"] for cell in cells} == {aggregation}
    assert msp.metrics["per-image"]["AUPR"] != msp.metrics["pooled"]["AUPR"]
    measured = render(table).split("variant camvid")[1]
    assert f"FPR95, AUROC, AUPR {aggregation}" in measured


def tuned(record, seed, value, reason=None):
    options = {"t": [0.8, 0.9]}
    chosen = Tuned(split="validation", n_samples=24, samples_hash="0", options=options)
    config = {**record.identity.method_config, "t": value}
    identity = record.identity.model_copy(update={"tuned": chosen, "method_config": config, "seed": seed})
    tuning = Tuning(
        chosen={"t": value},
        split="validation",
        images=24,
        metric="AP-Error",
        aggregation="per-image",
        reason=reason,
        trials=(Trial(options={"t": 0.8}, value=0.4), Trial(options={"t": 0.9}, value=0.5)),
    )
    return record.model_copy(update={"identity": identity, "tuning": tuning})


def test_values_compared_on_the_test_split_have_a_footnote(synthcp):
    compared = Compared(split="test", options={"t": [0.8, 0.9, 0.99, 0.999, 1.0]})
    swept = synthcp.model_copy(update={"compared": compared})
    for spec, label in ((TABLE3, "SynthCP [1]"), (TABLE4, "0.999 [1]")):
        text = render(build_table(spec, [swept], variant="camvid")).split("variant camvid")[1]
        assert label in text
        assert "[1] 5 values of t were compared on the test split in this sweep. Reporting the best" in text
        plain = render(build_table(spec, [synthcp], variant="camvid"))
        assert "were compared" not in plain


def test_a_value_chosen_on_held_out_data_has_a_row_of_its_own_whatever_the_seeds_chose(synthcp):
    why = "the split holds no anomalous pixel"
    chosen = [tuned(synthcp, 0, 0.999, why), tuned(synthcp, 1, 0.9, why), tuned(synthcp, 2, 0.9, why)]
    text = render(build_table(TABLE3, [synthcp, *chosen], variant="camvid")).split("variant camvid")[1]
    (row,) = rows(text, "synthcp (t=tuned on validation)")
    assert "(n=3)" in row[1]
    assert len(rows(text, "SynthCP")) == 1
    assert (
        "Seed 0: t=0.999 was chosen on held-out data: the best of 2 candidates by AP-Error (per-image) on 24 "
        "images of the validation split. AP-Error was used because the split holds no anomalous pixel."
    ) in text
    assert "Seed 1, 2: t=0.9 was chosen on held-out data" in text


def test_later_work_stands_apart_with_its_source_and_aggregation():
    text = render(build_table(TABLE3, []))
    paper, later = text.split("later work: ")
    assert "DMLNet" not in paper
    assert [row[1:] for row in rows(later, "DMLNet")] == [["17.3", "", "14.7"]]
    assert rows(later, "cDNP")[0][3] == "46.2"
    assert rows(later, "NFlowJS")[0][3] == "22.2"
    assert "Galesso et al." in later
    assert later.count("Aggregation: ") == 3
    assert "**" not in later
    assert "later work" not in render(build_table(TABLE4, []))


def test_components_are_printed_beside_the_others_whatever_the_aggregation(synthcp):
    metrics = {**synthcp.metrics, "per-component": {"sIoU": 0.25, "PPV": float("nan"), "F1": 0.125}}
    record = synthcp.model_copy(update={"metrics": metrics})
    for aggregation in (None, "pooled"):
        table = build_table(TABLE3, [record], variant="camvid", aggregation=aggregation, all_metrics=True)
        text = render(table).split("variant camvid")[1]
        assert "sIoU, PPV, F1 per-component" in text
        (row,) = rows(text, "SynthCP")
        assert row[4:] == ["25.0", "undefined [1]", "12.5"]
    assert "sIoU" not in render(build_table(TABLE3, [record], variant="camvid"))


def costly(record, seed=0, runs=1, **timings):
    identity = record.identity.model_copy(update={"seed": seed, "n_samples": 10})
    memory = {"peak_memory_bytes": 3 * 2**30, "peak_device_bytes": 2**29}
    return record.model_copy(
        update={"identity": identity, "timings": timings, "runs_in_pass": runs, **memory, "intervals": {}}
    )


def test_cost_is_seconds_a_frame_and_peak_memory(synthcp):
    record = costly(synthcp, predict=2.0, score=0.5, metrics=9.0, fit=99.0)
    text = render(build_table(TABLE3, [record], variant="camvid", cost=True))
    (row,) = rows(text, "SynthCP")
    assert row == ["SynthCP", "0.2500", "0.0500", "3072", "512"]
    assert synthcp.provenance.device_name in text
    assert "AUROC" not in text
    cells = json.loads(render(build_table(TABLE3, [record], variant="camvid", cost=True), "json"))
    assert {cell["metric"]: cell["value"] for cell in cells}["s a frame"] == pytest.approx(0.25)


def test_costs_of_several_seeds_are_averaged_and_a_shared_pass_is_named(synthcp):
    seeds = [costly(synthcp, seed, 5, predict=seed + 1.0, score=0.0, metrics=0.0) for seed in (0, 1)]
    text = render(build_table(TABLE3, seeds, variant="camvid", cost=True))
    (row,) = rows(text, "SynthCP")
    assert row[1] == "0.1500 ± 0.0707 (n=2) [1]"
    assert "pass was shared by 5 runs" in text
    older = render(build_table(TABLE3, [costly(synthcp, runs=None, score=1.0)], variant="camvid", cost=True))
    assert "The time includes that of the metrics" in older
    assert "an unknown number of runs" in older


@pytest.mark.parametrize(
    "change", [{"fusion": "product"}, {"reduce": True}, {"gate_with": "knn"}, {"layer": "backbone.blocks.4"}]
)
def test_what_was_not_published_is_never_in_the_published_row(synthcp, change):
    config = {**synthcp.identity.method_config, **change}
    identity = synthcp.identity.model_copy(update={"method_config": config})
    variant = synthcp.model_copy(update={"identity": identity})
    for spec, label in ((TABLE3, "SynthCP"), (TABLE4, "0.999")):
        table = json.loads(render(build_table(spec, [variant], variant="camvid"), "json"))
        measured = [cell for cell in table if cell["source"] == "measured" and cell["value"] is not None]
        assert label not in {cell["label"] for cell in measured}
    ((key, value),) = change.items()
    assert f"synthcp ({key}={value})" in render(build_table(TABLE3, [variant], variant="camvid"))


def test_what_was_set_by_hand_is_a_footnote(synthcp):
    changed = synthcp.model_copy(update={"changed": {"cgan.steps": 6, "weights": None}})
    text = render(build_table(TABLE3, [changed], variant="camvid")).split("variant camvid")[1]
    assert "SynthCP [1]" in text
    assert "to other values than the method's own: cgan.steps=6, weights=null." in text


def test_what_a_default_owes_to_test_labels_is_a_footnote(synthcp):
    owing = synthcp.model_copy(update={"caveats": ("The threshold was chosen there.",)})
    text = render(build_table(TABLE3, [owing], variant="camvid")).split("variant camvid")[1]
    assert "SynthCP [1]" in text
    assert "[1] The threshold was chosen there." in text
