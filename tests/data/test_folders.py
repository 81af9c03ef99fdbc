"""Finding dataset folders, and comparing them with the release."""

from dataclasses import replace

import pytest
from segalarm.benchmark.data.folders import locate, status, variant_of
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.datasets.camvid import CamVid
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.roadanomaly import RoadAnomaly
from segalarm.datasets.streethazards import StreetHazards
from segalarm.datasets.streethazards_mini import StreetHazardsMini


class TestLocate:
    def test_the_folder_itself_or_the_one_below_named_for_the_data_set(self, tmp_path):
        root = CamVid.toy(tmp_path / "CamVid").root
        assert locate(CamVid, tmp_path) == root
        assert locate(CamVid, root) == root

    def test_where_the_archive_unpacks_is_found(self, tmp_path):
        root = RoadAnomaly.toy(tmp_path / "RoadAnomaly" / "RoadAnomaly_jpg").root
        assert locate(RoadAnomaly, tmp_path) == root

    def test_another_data_set_is_not_mistaken_for_it(self, tmp_path):
        CamVid.toy(tmp_path / "CamVid")
        with pytest.raises(BenchError, match=r"StreetHazards/"):
            locate(StreetHazards, tmp_path / "CamVid")

    def test_absence_is_told_with_what_was_looked_for_and_how_to_get_it(self, tmp_path):
        with pytest.raises(BenchError) as caught:
            locate(Cityscapes, tmp_path)
        text = str(caught.value)
        assert str(tmp_path) in text
        assert "leftImg8bit" in text
        assert "cityscapes/" in text
        assert Cityscapes.info.source in text

    def test_without_a_marker_the_names_that_are_recognised_are_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr(CamVid, "marker", None)
        with pytest.raises(BenchError, match="no `marker`, so only folders called CamVid or camvid are"):
            locate(CamVid, tmp_path)

    def test_a_missing_data_folder_is_named(self, tmp_path):
        with pytest.raises(BenchError, match=r"no such folder.*--data"):
            locate(CamVid, tmp_path / "nowhere")

    def test_a_half_present_tree_is_found_so_that_its_reader_says_what_is_missing(self, tmp_path):
        (tmp_path / "StreetHazards" / "test").mkdir(parents=True)
        root = locate(StreetHazards, tmp_path)
        with pytest.raises(BenchError, match="train/images/training"):
            StreetHazards(root).prepare()

    def test_a_generated_data_set_needs_no_tree_yet(self, tmp_path):
        assert locate(StreetHazardsMini, tmp_path) == tmp_path / "streethazards-mini"


class TestRelease:
    def test_status_gives_expected_and_found_a_split(self, tmp_path):
        rows = status(CamVid.toy(tmp_path))
        assert rows == [("train", 367, 6, None), ("validation", 101, 2, None), ("test", 233, 4, None)]

    def test_status_gives_the_problem_of_a_split_and_goes_on(self, tmp_path):
        dataset = CamVid.toy(tmp_path)
        next((tmp_path / "valannot").iterdir()).unlink()
        rows = status(dataset)
        assert "has no label" in rows[1].problem
        assert rows[2].found == 4

    def test_other_sizes_need_the_name_of_a_variant(self, tmp_path):
        dataset = CamVid.toy(tmp_path)
        with pytest.raises(BenchError, match=r"train has 6 images \(release: 367\).*--variant NAME"):
            variant_of(dataset, {})
        variant_of(dataset, {"": "toy"})

    def test_the_release_may_be_named_too(self, tmp_path, monkeypatch):
        dataset = CamVid.toy(tmp_path)
        info = replace(CamVid.info, splits={"train": 6, "validation": 2, "test": 4})
        monkeypatch.setattr(CamVid, "info", info)
        variant_of(dataset, {})
        variant_of(dataset, {"": "named"})

    def test_a_variant_must_be_readable(self, tmp_path):
        dataset = CamVid.toy(tmp_path)
        next((tmp_path / "valannot").iterdir()).unlink()
        with pytest.raises(BenchError, match="has no label"):
            variant_of(dataset, {"": "toy"})
