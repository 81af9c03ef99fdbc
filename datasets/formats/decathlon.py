"""The ten tasks of the Medical Segmentation Decathlon: what their archives hold, and how volumes are read.

Voxel sizes and windows are those of nnU-Net (Isensee et al., Nature Methods 2021): the median voxel size of
the training cases, and the 0.5 and 99.5 percentiles of the Hounsfield units inside the structures.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...benchmark.interfaces import Archive, DatasetInfo, Preset, Task
from .decathlon_split import PUBLISHED_SPLIT, SPLIT_SEED, training_cases
from .label_values import LabelValues
from .nifti import Reading
from .voxel_grid import Spacing

SERVER = "https://msd-for-monai.s3-us-west-2.amazonaws.com"
"""The server from which MONAI downloads the archives. The digests below are MONAI's too."""
PALETTE = ((0, 0, 0), (230, 170, 60), (200, 40, 60), (70, 130, 220))
LAYOUT = """\
{folder}/imagesTr/{prefix}NUMBER.nii.gz
{folder}/labelsTr/{prefix}NUMBER.nii.gz
(the labels of imagesTs are not published, so the labelled cases are split)"""


@dataclass(frozen=True)
class DecathlonTask:
    """The facts of one task of the Decathlon, or of a data set of your own in its layout.

    Attributes:
        name: the data set is registered as "msd-" and this name.
        folder: the name of the dataset folder, and of its archive.
        prefix: what all file names begin with.
        what: what its cases are, in the plural.
        structures: the classes from 1 on.
        scored: the structures whose Dice counts.
        cases: the number of labelled cases of the release.
        spacing: the voxel size (D, H, W) in millimetres that all volumes are resampled to.
        window: the Hounsfield units of a CT that become 0 and 1; None for MR.
        md5: the digest of the archive.
        channels: the number of channels of an image.
        segmenters: the names of its segmenters, the default first.
        preset: the default preset.
    """

    name: str
    folder: str
    prefix: str
    what: str
    structures: tuple[str, ...]
    scored: tuple[str, ...]
    cases: int
    spacing: Spacing
    window: tuple[float, float] | None
    md5: str
    channels: int = 1
    segmenters: tuple[str, ...] = ("unet3d", "ah-net")
    preset: Preset = Preset.FULL

    @property
    def reading(self) -> Reading:
        """How the volumes are read."""
        values = {value: value for value in range(len(self.structures) + 1)}
        return Reading(LabelValues(values), self.spacing, self.window, self.channels)

    @property
    def marker(self) -> str:
        """The glob pattern that tells the task's folder from those of other tasks.

        All tasks have subfolders of the same names.
        """
        return f"imagesTr/{self.prefix}*"

    @property
    def info(self) -> DatasetInfo:
        """The facts of the data set."""
        train = training_cases(self.cases)
        size = " x ".join(f"{length:g}" for length in self.spacing)
        return DatasetInfo(
            name=f"msd-{self.name}",
            summary=f"{self.cases} {self.what}, split {train} / {self.cases - train}",
            revision=f"{self.folder}, split seed {SPLIT_SEED}, {size} mm",
            tasks=(Task.PIXEL_FAILURE, Task.IMAGE_FAILURE),
            classes=("background", *self.structures),
            palette=PALETTE[: len(self.structures) + 1],
            splits={"train": train, "test": self.cases - train},
            licence="CC BY-SA 4.0",
            citation="Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 2022, "
            "arXiv:2106.05735",
            source=f"medicaldecathlon.com; `bench data msd-{self.name} --fetch` downloads and extracts "
            f"{self.folder}.tar",
            layout=LAYOUT.format(folder=self.folder, prefix=self.prefix),
            folders=(self.folder,),
            archives=(Archive(f"{SERVER}/{self.folder}.tar", md5=self.md5),),
            ndim=3,
            channels=self.channels,
            default_preset=self.preset,
            segmenters=self.segmenters,
            light=("unet3d",),
            default_tasks=(Task.IMAGE_FAILURE,),
            scored=self.scored,
        )


BRAIN = DecathlonTask(
    name="braintumour",
    folder="Task01_BrainTumour",
    prefix="BRATS_",
    what="brain MRs of four channels with parts of a glioma",
    structures=("oedema", "non-enhancing tumour", "enhancing tumour"),
    scored=("oedema", "non-enhancing tumour", "enhancing tumour"),
    cases=484,
    spacing=(1.0, 1.0, 1.0),
    window=None,
    md5="240a19d752f0d9e9101544901065d872",
    channels=4,
)
HEART = DecathlonTask(
    name="heart",
    folder="Task02_Heart",
    prefix="la_",
    what="heart MRs with the left atrium",
    structures=("left atrium",),
    scored=("left atrium",),
    cases=20,
    spacing=(1.37, 1.25, 1.25),
    window=None,
    md5="06ee59366e1e5124267b774dbd654057",
)
LIVER = DecathlonTask(
    name="liver",
    folder="Task03_Liver",
    prefix="liver_",
    what="abdominal CTs with liver and tumour",
    structures=("liver", "tumour"),
    scored=("tumour",),
    cases=131,
    spacing=(1.0, 0.77, 0.77),
    window=(-17, 201),
    md5="a90ec6c4aa7f6a3d087205e23d4e6397",
)
HIPPOCAMPUS = DecathlonTask(
    name="hippocampus",
    folder="Task04_Hippocampus",
    prefix="hippocampus_",
    what="cut-out brain MRs with two parts of a hippocampus",
    structures=("anterior", "posterior"),
    scored=("posterior",),
    cases=260,
    spacing=(1.0, 1.0, 1.0),
    window=None,
    md5="9d24dba78a72977dbd1d2e110310f31b",
    segmenters=("unet3d",),
    preset=Preset.SMALL,
)
PROSTATE = DecathlonTask(
    name="prostate",
    folder="Task05_Prostate",
    prefix="prostate_",
    what="prostate MRs of two channels with two zones",
    structures=("peripheral zone", "transition zone"),
    scored=("peripheral zone", "transition zone"),
    cases=32,
    spacing=(3.6, 0.62, 0.62),
    window=None,
    md5="35138f08b1efaef89d7424d2bcc928db",
    channels=2,
)
LUNG = DecathlonTask(
    name="lung",
    folder="Task06_Lung",
    prefix="lung_",
    what="thoracic CTs with a tumour",
    structures=("tumour",),
    scored=("tumour",),
    cases=63,
    spacing=(1.24, 0.79, 0.79),
    window=(-1024, 325),
    md5="8afd997733c7fc0432f71255ba4e52dc",
)
PANCREAS = DecathlonTask(
    name="pancreas",
    folder="Task07_Pancreas",
    prefix="pancreas_",
    what="abdominal CTs with pancreas and tumour",
    structures=("pancreas", "tumour"),
    scored=("tumour",),
    cases=sum(PUBLISHED_SPLIT),
    spacing=(2.5, 0.8, 0.8),
    window=(-96, 215),
    md5="4f7080cfca169fa8066d17ce6eb061e4",
    segmenters=("ah-net", "unet3d"),
)
VESSEL = DecathlonTask(
    name="hepaticvessel",
    folder="Task08_HepaticVessel",
    prefix="hepaticvessel_",
    what="abdominal CTs with the liver's vessels and tumour",
    structures=("vessel", "tumour"),
    scored=("tumour",),
    cases=303,
    spacing=(1.5, 0.8, 0.8),
    window=(-3, 243),
    md5="641d79e80ec66453921d997fbf12a29c",
)
SPLEEN = DecathlonTask(
    name="spleen",
    folder="Task09_Spleen",
    prefix="spleen_",
    what="abdominal CTs with the spleen",
    structures=("spleen",),
    scored=("spleen",),
    cases=41,
    spacing=(1.6, 0.79, 0.79),
    window=(-41, 176),
    md5="410d4a301da4e5b2f6f86ec3ddba524e",
)
COLON = DecathlonTask(
    name="colon",
    folder="Task10_Colon",
    prefix="colon_",
    what="abdominal CTs with a tumour of the colon",
    structures=("tumour",),
    scored=("tumour",),
    cases=126,
    spacing=(3.0, 0.78, 0.78),
    window=(-30, 165),
    md5="bad7a188931dc2f6acf72b08eb6202d0",
)
TASKS = (BRAIN, HEART, LIVER, HIPPOCAMPUS, PROSTATE, LUNG, PANCREAS, VESSEL, SPLEEN, COLON)
