"""The tables of the paper (Xia, Zhang et al., ECCV 2020).

To add a column, add the name of a metric of the catalogue to `metrics` or `more` of a section: `metrics` are
always printed, `more` with `--all-metrics`.
"""

from ...benchmark.interfaces import Task
from ..table_spec import Section, TableSpec

QUALITY_METRICS = ("MAE", "STD", "Pearson", "Spearman")
PIXEL_METRICS = ("AP-Error", "AP-Success", "AUROC", "FPR95")
RISK_METRICS = ("AURC", "AUGRC", "E-AURC", "ECE")
ANOMALIES = Section(
    Task.ANOMALY, "anomaly segmentation", metrics=("FPR95", "AUROC", "AUPR"), more=("sIoU", "PPV", "F1")
)

TABLE1 = TableSpec(
    name="table1",
    title="Table 1. Failure detection on Cityscapes",
    dataset="cityscapes",
    more_datasets=("cityscapes-mini",),
    sections=(
        Section(Task.IMAGE_FAILURE, "image level", QUALITY_METRICS),
        Section(Task.PIXEL_FAILURE, "pixel level", PIXEL_METRICS, RISK_METRICS),
    ),
    segmenters=("fcn8s", "deeplab"),
    published="segalarm.results:published/table1.csv",
    decimals=2,
)
TABLE2 = TableSpec(
    name="table2",
    title="Table 2. Failure detection on pancreatic tumour segmentation (MSD)",
    dataset="msd-pancreas",
    more_datasets=("pancreas-mini", "msd-hippocampus"),
    sections=(Section(Task.IMAGE_FAILURE, "Dice of the scored structure", QUALITY_METRICS, ("AURC",)),),
    segmenters=("ah-net",),
    published="segalarm.results:published/table2.csv",
    decimals=2,
)
TABLE3 = TableSpec(
    name="table3",
    title="Table 3. Anomaly segmentation on StreetHazards",
    dataset="streethazards",
    more_datasets=("streethazards-mini",),
    sections=(ANOMALIES,),
    segmenters=("pspnet",),
    published="segalarm.results:published/table3.csv",
    later_work="segalarm.results:published/streethazards_later.csv",
)
TABLE4 = TableSpec(
    name="table4",
    title="Table 4. SynthCP on StreetHazards over the threshold t of its post-processing",
    dataset="streethazards",
    more_datasets=("streethazards-mini",),
    sections=(ANOMALIES,),
    segmenters=("pspnet",),
    published="segalarm.results:published/table4.csv",
    row_title="t",
    transposed=True,
    unpublished_methods=False,
)
