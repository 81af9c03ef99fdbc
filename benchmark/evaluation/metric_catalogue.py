"""The catalogue of all metrics: how each metric is named, computed, printed and read.

To add a metric, add an entry to the tuple of its task. The evaluator of the task computes every entry whose
field the metric functions return, and the tables read names, directions and footnotes from here.

The tuples are separate for each task, because a record becomes stale when code that the task's evaluator uses
changes: an edit of the metrics of one task leaves the records of the other tasks valid.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..interfaces import Task

SYNTHCP = "SynthCP (Xia, Zhang et al., ECCV 2020)"
PIXEL_TABLE = f"{SYNTHCP}, Section 4.1, Table 1 (pixel level)"
QUALITY_TABLES = f"{SYNTHCP}, Section 4.1, Table 1 (image level) and Table 2"
ANOMALY_TABLES = f"{SYNTHCP}, Section 4.2, Tables 3 and 4"
COMPONENTS = "SegmentMeIfYouCan (Chan et al., NeurIPS Datasets and Benchmarks 2021)"
RISK_COVERAGE = "Geifman et al., ICLR 2019"

NO_COMPONENT = "No anomaly of the test split is large enough to count as a component."
NO_PREDICTED_COMPONENT = "No pixels reach the threshold in a component that is large enough."
NO_PROBABILITY = "The method estimates no probability of being right, so it has no ECE."
NO_VARIATION = "A correlation needs two images whose predicted and whose actual values differ."


@dataclass(frozen=True)
class Metric:
    """One metric of one or several tasks. Values are fractions, correlations lie in [-1, 1].

    Attributes:
        name: as records store it and tables print it.
        higher_is_better: None where neither direction is better.
        tasks: the tasks that have the metric.
        aggregations: the averages that are computed, of "per-image" (mean over images), "pooled" (all pixels
            together), "per-class" (mean over classes) and "per-component" (mean over connected components).
        field: the attribute that holds the value in the result of a metric function, such as "auroc" of
            `RankingValues`.
        source: where the metric is defined.
        published: the aggregation that the paper prints; None where the paper does not print the metric.
        undefined: the footnote that says why a value is missing; empty where no reason is known beforehand.
        decimals: the digits that tables print; None for those of the table.
    """

    name: str
    higher_is_better: bool | None
    tasks: tuple[Task, ...]
    aggregations: tuple[str, ...]
    field: str
    source: str
    published: str | None = None
    undefined: str = ""
    decimals: int | None = None

    @property
    def printed(self) -> str:
        """The aggregation that tables print: the published one, else the first that is computed."""
        return self.published or self.aggregations[0]


_ANOMALY = (Task.ANOMALY,)
_PIXEL = (Task.PIXEL_FAILURE,)
_IMAGE = (Task.IMAGE_FAILURE,)
_RANKED = ("per-image", "pooled")
_POOLED_FIRST = ("pooled", "per-image")
_COMPONENT = ("per-component",)
_CLASS = ("per-class",)

ANOMALY_METRICS = (
    Metric("FPR95", False, _ANOMALY, _RANKED, "fpr95", ANOMALY_TABLES, "per-image"),
    Metric("AUROC", True, _ANOMALY, _RANKED, "auroc", ANOMALY_TABLES, "per-image"),
    Metric("AUPR", True, _ANOMALY, _RANKED, "ap", ANOMALY_TABLES, "per-image"),
    Metric("sIoU", True, _ANOMALY, _COMPONENT, "siou", COMPONENTS, undefined=NO_COMPONENT),
    Metric("PPV", True, _ANOMALY, _COMPONENT, "ppv", COMPONENTS, undefined=NO_PREDICTED_COMPONENT),
    Metric("F1", True, _ANOMALY, _COMPONENT, "f1", COMPONENTS, undefined=NO_COMPONENT),
)
# The published code pools all pixels for three of the four published metrics, and averages FPR95 over images.
PIXEL_FAILURE_METRICS = (
    Metric("AP-Error", True, _PIXEL, _RANKED, "ap", PIXEL_TABLE, "pooled"),
    Metric("AP-Success", True, _PIXEL, _RANKED, "ap_success", PIXEL_TABLE, "pooled"),
    Metric("AUROC", True, _PIXEL, _RANKED, "auroc", PIXEL_TABLE, "pooled"),
    Metric("FPR95", False, _PIXEL, _RANKED, "fpr95", PIXEL_TABLE, "per-image"),
    Metric("AURC", False, _PIXEL, _POOLED_FIRST, "aurc", RISK_COVERAGE),
    Metric("AUGRC", False, _PIXEL, _POOLED_FIRST, "augrc", "Traub et al., NeurIPS 2024, Eq. 6"),
    Metric("E-AURC", False, _PIXEL, _POOLED_FIRST, "e_aurc", RISK_COVERAGE),
    Metric(
        "ECE", False, _PIXEL, ("pooled",), "ece", "Guo et al., ICML 2017, Eq. 3", undefined=NO_PROBABILITY
    ),
)
IMAGE_FAILURE_METRICS = (
    Metric("MAE", False, _IMAGE, _CLASS, "mae", QUALITY_TABLES, "per-class"),
    Metric("STD", False, _IMAGE, _CLASS, "std", QUALITY_TABLES, "per-class"),
    Metric("Pearson", True, _IMAGE, _CLASS, "pearson", QUALITY_TABLES, "per-class", NO_VARIATION),
    Metric("Spearman", True, _IMAGE, _CLASS, "spearman", QUALITY_TABLES, "per-class", NO_VARIATION),
    Metric("AURC", False, _IMAGE, _CLASS, "aurc", f"{RISK_COVERAGE}; of Dice: Zenk et al., MedIA 2025"),
)
METRICS: tuple[Metric, ...] = (*ANOMALY_METRICS, *PIXEL_FAILURE_METRICS, *IMAGE_FAILURE_METRICS)


def metrics_of(task: Task) -> tuple[Metric, ...]:
    """The metrics of a task in the order of its tables' columns: the published ones first, then the rest."""
    return tuple(entry for entry in METRICS if task in entry.tasks)


def metric(task: Task, name: str) -> Metric:
    """The metric of a task that records store under a name.

    Raises:
        KeyError: the task has no such metric.
    """
    for entry in metrics_of(task):
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in metrics_of(task))
    raise KeyError(f"the task {task} has no metric '{name}'; its metrics are {names}")
