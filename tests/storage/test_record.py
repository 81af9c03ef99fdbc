"""Records: what is written is read again, by this version and from older ones."""

import json
import math
from pathlib import Path

import pytest
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.storage.identity import Tuned, flat
from segalarm.benchmark.storage.record import Record, load_records, read_records
from segalarm.benchmark.storage.record_parts import (
    Compared,
    ComponentThreshold,
    SegmenterQuality,
    Trial,
    Tuning,
)

FOLDER = Path(__file__).parents[2] / "results" / "records"
COMMITTED = sorted(FOLDER.glob("*.json"))
NAN = float("nan")
WITHOUT = "without "


@pytest.fixture(scope="module")
def example():
    return Record.load(COMMITTED[0])


@pytest.fixture
def old(tmp_path):
    """A record of version 1, and a function that writes and loads it after a change."""
    document = json.loads(COMMITTED[0].read_text())
    assert document["schema_version"] == 1
    file = tmp_path / "old.json"

    def load(**changes):
        file.write_text(json.dumps(document | changes))
        return Record.load(file)

    return load


def test_every_committed_record_keeps_its_key():
    assert len(COMMITTED) > 100
    for file in COMMITTED:
        record = Record.load(file)
        assert file.stem.endswith(f"_{record.identity.key}")
        assert record.file_name == file.name


def test_every_committed_record_keeps_its_content():
    for file in COMMITTED:
        before, record = json.loads(file.read_text()), Record.load(file)
        after = json.loads(record.model_dump_json())
        extra, counts = before.pop("extra"), before.pop("counts")
        assert before.pop("schema_version") == 1
        renamed = {"segmenter_quality" if name == "segmenter" else name: extra[name] for name in extra}
        absent = {name.removeprefix(WITHOUT): n for name, n in counts.items() if name.startswith(WITHOUT)}
        assert after["images_without"] == absent
        assert after["counts"] == {name: n for name, n in counts.items() if not name.startswith(WITHOUT)}
        for name, value in (before | renamed).items():
            assert after[name] == value, (file.name, name)
        empty = set(after) - set(before) - set(renamed) - {"counts", "images_without", "schema_version"}
        assert not any(after[name] for name in empty), file.name


def test_choices_and_errors_of_an_old_record_become_fields(old):
    tuning = {"chosen": {"t": 0.9}, "split": "validation", "images": 24, "metric": "MAE", "reason": None}
    tuning |= {"aggregation": "per-class", "trials": [{"t": 0.8, "MAE": None}, {"t": 0.9, "MAE": 0.5}]}
    record = old(extra={"tuning": tuning, "changed": {"steps": 6}, "traceback": "Traceback"})
    first, second = record.tuning.trials
    assert (first.options, second) == ({"t": 0.8}, Trial(options={"t": 0.9}, value=0.5))
    assert math.isnan(first.value)
    assert (record.tuning.chosen, record.tuning.images) == ({"t": 0.9}, 24)
    assert (record.changed, record.traceback) == ({"steps": 6}, "Traceback")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"extra": {"colour": 1}}, "extra"),
        ({"extra": 3}, "extra"),
        ({"extra": {"tuning": {"trials": [3]}}}, "tuning.chosen"),
        ({"counts": [3]}, "counts"),
        ({"extra": {"caveats": 3}}, "caveats"),
    ],
)
def test_a_fault_of_an_old_record_is_named(old, changes, place):
    with pytest.raises(BenchError, match=rf"old\.json: {place}"):
        old(**changes)


def test_what_is_saved_is_read_again(example, tmp_path):
    record = example.model_copy(
        update={
            "metrics": {"pooled": {"AUROC": NAN, "AUPR": 0.25}},
            "images_without": {"tumour": 2},
            "tuning": Tuning(
                chosen={"t": 0.9},
                split="validation",
                images=2,
                metric="AUPR",
                aggregation="per-image",
                trials=(Trial(options={"t": 0.9}, value=NAN),),
            ),
            "compared": Compared(split="test", options={"t": (0.8, 0.9)}),
            "changed": {"cgan.steps": 6},
            "caveats": ("The threshold was chosen there.",),
            "segmenter_quality": SegmenterQuality(mIoU=0.5, IoU={"road": 0.5, "sky": NAN}),
            "components": ComponentThreshold(threshold=0.1, pixel_F1=0.2, threshold_from="the best F1"),
            "runs_in_pass": 3,
        }
    )
    file = record.save(tmp_path)
    assert json.loads(file.read_text())["schema_version"] == 2
    assert file.name == record.file_name
    again = Record.load(file)
    # NaN equals nothing, itself included: JSON holds null in its place.
    assert again.model_dump(mode="json") == record.model_dump(mode="json")
    assert math.isnan(again.metrics["pooled"]["AUROC"])
    assert math.isnan(again.segmenter_quality.IoU["sky"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "schema_version is missing"),
        ("{}", "schema_version is missing"),
        ('{"schema_version": 3}', "schema_version 3 is newer than 2.*upgrade segalarm"),
        ('{"schema_version": 2}', "identity: Field required"),
    ],
)
def test_a_file_that_is_no_record_is_named(text, message, tmp_path):
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(BenchError, match=f"file.json.*{message}"):
        read_records(tmp_path)


def test_a_record_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BenchError, match="No such file"):
        Record.load(tmp_path / "absent.json")
    with pytest.raises(BenchError, match=r"no records at .*absent"):
        load_records(tmp_path / "absent")
    assert read_records(tmp_path / "absent") == []
    assert list(load_records(tmp_path).columns[:2]) == ["key", "dataset"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": {}}, "there are no metrics"),
        ({"status": "failed"}, "no reason is given"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(example, changes, message):
    document = example.model_dump(mode="json")
    with pytest.raises(ValueError, match=message):
        Record.model_validate(document | changes)


def test_the_key_holds_what_was_asked_for_and_no_value_that_the_run_chose(example):
    identity = example.identity

    def tuned(value, candidates):
        how = Tuned(split="validation", n_samples=2, samples_hash="0", options={"cgan.t": candidates})
        config = {"cgan": {"t": value, "steps": 3}}
        return identity.model_copy(update={"method_config": config, "tuned": how})

    assert tuned(1, [1, 2]).key == tuned(2, [1, 2]).key
    assert tuned(1, [1, 2]).key != tuned(1, [1, 3]).key
    assert tuned(1, [1, 2]).asked["method_config"] == {"cgan": {"steps": 3}}
    assert "tuned" not in identity.asked
    keys = {identity.model_copy(update={"seed": seed}).key for seed in range(3)}
    assert len(keys) == 3


def test_nested_options_are_joined_by_dots():
    assert flat({"a": 1, "b": {"c": {"d": 2}, "e": []}}) == {"a": 1, "b.c.d": 2, "b.e": []}


def test_a_data_frame_has_a_row_for_each_record():
    frame = load_records(FOLDER)
    assert len(frame) == len(COMMITTED)
    first = Record.load(COMMITTED[0])
    row = frame.iloc[0]
    assert (row["key"], row["method"], row["images"]) == (
        first.identity.key,
        first.identity.method,
        first.counts["images"],
    )
    assert json.loads(row["method_config"]) == first.identity.method_config
    aggregation, values = next(iter(first.metrics.items()))
    for metric, value in values.items():
        assert row[f"{metric}.{aggregation}"] == value or math.isnan(value)
