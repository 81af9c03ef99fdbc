"""The artifact store: built once, whole or not at all, shared by processes."""

import errno
import multiprocessing
import time
from pathlib import Path

import pytest
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.storage.store import Store, key_of

FACTS = {"size": 3, "of": ["a", "b"]}


class StopError(Exception):
    pass


def write(text, calls):
    def build(folder, scratch):
        calls.append(text)
        (folder / "part").mkdir()
        (folder / "part" / "file").write_text(text)

    return build


def test_an_artifact_is_built_once(tmp_path):
    calls = []
    folders = [Store(tmp_path).get("kind", FACTS, write("a", calls)) for _ in range(3)]
    assert calls == ["a"]
    assert len(set(folders)) == 1
    assert (folders[0] / "part" / "file").read_text() == "a"


def test_other_facts_are_another_artifact(tmp_path):
    calls = []
    store = Store(tmp_path)
    store.get("kind", FACTS, write("a", calls))
    store.get("kind", {**FACTS, "size": 4}, write("b", calls))
    assert calls == ["a", "b"]
    assert store.has("kind", FACTS)
    assert not store.has("kind", {**FACTS, "size": 5})


def test_the_order_of_facts_does_not_matter():
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_build_that_stops_leaves_no_artifact_and_its_scratch(tmp_path):
    store = Store(tmp_path)

    def half(folder, scratch):
        (folder / "file").write_text("half")
        (scratch / "checkpoint").write_text("step 7")
        raise StopError

    with pytest.raises(StopError):
        store.get("kind", FACTS, half)
    assert not store.has("kind", FACTS)
    seen = []

    def rest(folder, scratch):
        seen.append((scratch / "checkpoint").read_text())
        seen.append(list(folder.iterdir()))
        (folder / "file").write_text("whole")

    folder = store.get("kind", FACTS, rest)
    assert seen == ["step 7", []]
    assert (folder / "file").read_text() == "whole"
    assert not list((tmp_path / "unfinished").iterdir())


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("b")])
def test_a_damaged_artifact_is_built_again_and_said(tmp_path, damage):
    calls, said = [], []
    store = Store(tmp_path, said.append)
    folder = store.get("kind", FACTS, write("a", calls))
    damage(folder / "part" / "file")
    store.get("kind", FACTS, write("a", calls))
    assert calls == ["a", "a"]
    assert "damaged" in said[0]


def build_slowly(root, log):
    def build(folder, scratch):
        with log.open("a") as stream:
            stream.write("built\n")
        time.sleep(0.5)
        (folder / "file").write_text("whole")

    Store(root).get("kind", FACTS, build)


def test_two_processes_build_an_artifact_once(tmp_path):
    log = tmp_path / "log"
    spawn = multiprocessing.get_context("fork")
    runs = [spawn.Process(target=build_slowly, args=(tmp_path / "store", log)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert log.read_text() == "built\n"


def test_a_full_disk_is_named_with_the_way_out(tmp_path):
    def build(folder, scratch):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BenchError, match=r"disk of .* is full.*--workspace"):
        Store(tmp_path).get("kind", FACTS, build)


def test_a_workspace_of_another_version_is_left_alone(tmp_path):
    (tmp_path / "workspace.json").write_text('{"version": 99}')
    with pytest.raises(BenchError, match="version 99"):
        Store(tmp_path)


def test_a_workspace_without_a_version_is_left_alone(tmp_path):
    (tmp_path / "workspace.json").write_text("[]")
    with pytest.raises(BenchError, match=r"workspace\.json does not hold a workspace's version"):
        Store(tmp_path)


def test_a_workspace_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="--workspace"):
        Store(tmp_path / "file")
