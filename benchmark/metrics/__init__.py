"""Metrics of the benchmark: pure functions on arrays, and streaming, mergeable states over them."""

from .bootstrap import Interval, bootstrap_interval
from .brackets import RankingValues
from .evaluation import RankingReport, RankingState
from .failure import FailureMetrics, failure_metrics
from .overlap import ConfusionState, confusion_matrix, dice, per_class_iou
from .per_image import PerImageState, RankingMeans
from .pooled import PooledExactState, PooledHistogramState, PooledRanking, PooledState
from .quality import QualityMetrics, QualityTable, quality_metrics, quality_table
from .ranking import Ranking, ranking_metrics, success_ap

__all__ = [
    "ConfusionState",
    "FailureMetrics",
    "Interval",
    "PerImageState",
    "PooledExactState",
    "PooledHistogramState",
    "PooledRanking",
    "PooledState",
    "QualityMetrics",
    "QualityTable",
    "Ranking",
    "RankingMeans",
    "RankingReport",
    "RankingState",
    "RankingValues",
    "bootstrap_interval",
    "confusion_matrix",
    "dice",
    "failure_metrics",
    "per_class_iou",
    "quality_metrics",
    "quality_table",
    "ranking_metrics",
    "success_ap",
]
