"""Road Anomaly (Lis et al., ICCV 2019): real frames with animals, rocks and lost cargo on the road."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ..benchmark.interfaces import Archive, Dataset, DatasetInfo, Sample, Task
from ..benchmark.interfaces.errors import BenchError
from .formats.file_pairs import check_pairs, natural_key
from .formats.label_values import LabelValues
from .formats.lazy_samples import LazySamples
from .formats.photographs import photograph_sample

LAYOUT = """\
frame_list.json (a list of NAME.jpg)
frames/NAME.jpg
frames/NAME.labels/labels_semantic.png"""

# No pixel has a class: 0 and 2 both become VOID. All pixels are valid, since the anomaly task scores all.
_LABEL_VALUES = LabelValues({0: 255}, anomaly=frozenset({2}), marks_anomalies=True)


class RoadAnomaly(Dataset):
    """Road Anomaly: a test split without classes of its own, for segmenters trained on other street data.

    `Truth.label` is `VOID` everywhere and `Truth.valid` is true everywhere.
    """

    marker = "frame_list.json"
    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="roadanomaly",
        summary="60 real frames with unexpected objects on or beside the road, for testing alone",
        revision="2019",
        tasks=(Task.ANOMALY,),
        classes=(),
        palette=(),
        splits={"test": 60},
        licence="labels CC BY-SA 4.0; pictures under their authors' licences (credits.txt)",
        citation="Lis, Nakka, Fua and Salzmann, Detecting the Unexpected via Image Resynthesis, ICCV 2019, "
        "arXiv:1904.07595",
        source="https://www.epfl.ch/labs/cvlab/data/road-anomaly/ (RoadAnomaly_jpg.zip); "
        "`bench data roadanomaly --fetch` downloads and unpacks it",
        layout=LAYOUT,
        folders=("RoadAnomaly", "RoadAnomaly_jpg", "RoadAnomaly/RoadAnomaly_jpg", "roadanomaly"),
        archives=(Archive("https://datasets-cvlab.epfl.ch/2019-road-anomaly/RoadAnomaly_jpg.zip"),),
    )

    def prepare(self) -> None:
        """Check that every listed frame is there with its mask. No file is decoded.

        Raises:
            BenchError: the list, a frame or a mask is missing.
        """
        self._frames()

    def samples(self, split: str) -> Sequence[Sample]:
        """The samples of `test`, in natural order. Every other split is empty."""
        if split != "test":
            return LazySamples()
        return LazySamples(
            photograph_sample(f"test/{name}", image, label, _LABEL_VALUES)
            for name, image, label in self._frames()
        )

    def _frames(self) -> list[tuple[str, Path, Path]]:
        """The name, image file and mask file of every listed frame."""
        listing, folder = self.root / self.marker, self.root / "frames"
        if not listing.is_file() or not folder.is_dir():
            missing = folder if listing.is_file() else listing
            raise BenchError(
                f"{missing}: missing, so {self.root} is not a Road Anomaly folder. Expected layout:\n{LAYOUT}"
                f"\nGet it: {self.info.source}"
            )
        names = self._listed_names(listing)
        images = {Path(name).stem: folder / name for name in sorted(names, key=natural_key)}
        for path in images.values():
            if not path.is_file():
                raise BenchError(
                    f"{path}: listed in {listing} but missing. Restore it or take it off the list."
                )
        labels = {
            path.parent.name.removesuffix(".labels"): path
            for path in folder.glob("*.labels/labels_semantic.png")
        }
        # A mask whose frame is on disk but not listed belongs to a frame that was taken off the list.
        unlisted = {path.stem for path in folder.iterdir() if path.is_file()} - images.keys()
        labels = {name: path for name, path in labels.items() if name not in unlisted}
        check_pairs(images, labels, (folder, folder))
        return [(name, image, labels[name]) for name, image in images.items()]

    @staticmethod
    def _listed_names(listing: Path) -> list[str]:
        """The file names in `frame_list.json`."""
        try:
            names = json.loads(listing.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchError(
                f"{listing}: cannot be read as JSON ({error}). Restore it from the release."
            ) from error
        if not isinstance(names, list) or not all(isinstance(n, str) and Path(n).name == n for n in names):
            raise BenchError(
                f"{listing}: must be a JSON list of file names in {listing.parent / 'frames'}. "
                "Restore it from the release."
            )
        return names

    @classmethod
    def toy(cls, folder: Path) -> Dataset:
        """Write four generated scenes of 64 x 96 pixels."""
        from .generators import scene_layouts

        scene_layouts.write_roadanomaly(folder, scene_layouts.TOY)
        return cls(folder)
