"""The tables of the paper (Xia, Zhang et al., ECCV 2020), with the aggregation that each prints."""

from ...benchmark.interfaces import Task
from ..table_spec import Metric, Section, TableSpec

FLAT = "A correlation needs two images whose predicted and whose actual values differ."
QUALITY = (
    Metric("MAE", False, "per-class"),
    Metric("STD", False, "per-class"),
    Metric("Pearson", True, "per-class", FLAT),
    Metric("Spearman", True, "per-class", FLAT),
)
ANOMALY = (
    Metric("FPR95", False, "per-image"),
    Metric("AUROC", True, "per-image"),
    Metric("AUPR", True, "per-image"),
)
NONE_TRUE = "No anomaly of the test split is large enough to count as a component."
COMPONENTS = (
    Metric("sIoU", True, "per-component", NONE_TRUE),
    Metric(
        "PPV", True, "per-component", "No pixels reach the threshold in a component that is large enough."
    ),
    Metric("F1", True, "per-component", NONE_TRUE),
)
# The published code pools all pixels for three of the four, and averages FPR95 over images.
PIXEL = (
    Metric("AP-Error", True, "pooled"),
    Metric("AP-Success", True, "pooled"),
    Metric("AUROC", True, "pooled"),
    Metric("FPR95", False, "per-image"),
)
RISK = (
    Metric("AURC", False, "pooled"),
    Metric("AUGRC", False, "pooled"),
    Metric("E-AURC", False, "pooled"),
    Metric("ECE", False, "pooled", "The method estimates no probability of being right, so it has no ECE."),
)

OVER_VOLUMES = (Metric("AURC", False, "per-class"),)

TABLE1 = TableSpec(
    name="table1",
    title="Table 1. Failure detection on Cityscapes",
    release="cityscapes",
    minis=("cityscapes-mini",),
    sections=(
        Section(Task.IMAGE_FAILURE, "image level", QUALITY),
        Section(Task.PIXEL_FAILURE, "pixel level", PIXEL, RISK),
    ),
    segmenters=("fcn8s", "deeplab"),
    published="segalarm.results:published/table1.csv",
    decimals=2,
)
TABLE2 = TableSpec(
    name="table2",
    title="Table 2. Failure detection on pancreatic tumour segmentation (MSD)",
    release="msd-pancreas",
    minis=("pancreas-mini", "msd-hippocampus"),
    sections=(Section(Task.IMAGE_FAILURE, "Dice of the scored structure", QUALITY, OVER_VOLUMES),),
    segmenters=("ah-net",),
    published="segalarm.results:published/table2.csv",
    decimals=2,
)
TABLE3 = TableSpec(
    name="table3",
    title="Table 3. Anomaly segmentation on StreetHazards",
    release="streethazards",
    minis=("streethazards-mini",),
    sections=(Section(Task.ANOMALY, "anomaly segmentation", ANOMALY, COMPONENTS),),
    segmenters=("pspnet",),
    published="segalarm.results:published/table3.csv",
    later="segalarm.results:published/streethazards_later.csv",
)
TABLE4 = TableSpec(
    name="table4",
    title="Table 4. SynthCP on StreetHazards over the threshold t of its post-processing",
    release="streethazards",
    minis=("streethazards-mini",),
    sections=(Section(Task.ANOMALY, "anomaly segmentation", ANOMALY, COMPONENTS),),
    segmenters=("pspnet",),
    published="segalarm.results:published/table4.csv",
    row_title="t",
    transposed=True,
    others=False,
)
