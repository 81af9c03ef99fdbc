"""Metrics of the benchmark.

The modules of this folder are pure functions on arrays. The modules in `streaming` hold states, which are
built on these functions: a state collects a test set image by image.
"""

from .bootstrap import Interval, bootstrap_interval
from .components import ComponentMetrics, Overlaps, overlaps, summarize
from .curve_points import Curve, curve
from .ordering import order
from .overlap import confusion_matrix, dice, per_class_dice, per_class_iou, per_class_quality
from .quality import QualityMetrics, QualityTable, mean_over_classes, quality_metrics, quality_table
from .ranking import Ranking, ranking_metrics, success_ap
from .ranking_values import RankingValues
from .risk_coverage import PooledRisk, RiskValues, quality_risk, risk, risk_metrics
from .streaming.calibration import CalibrationState, calibration_error
from .streaming.component_state import ComponentReport, ComponentState
from .streaming.confusion import ConfusionState
from .streaming.failure import FailureMetrics, failure_metrics
from .streaming.per_image import PerImageState, RankingMeans
from .streaming.pooled import PooledExactState, PooledHistogramState, PooledRanking, PooledState
from .streaming.ranking_state import RankingReport, RankingState

__all__ = [
    "CalibrationState",
    "ComponentMetrics",
    "ComponentReport",
    "ComponentState",
    "ConfusionState",
    "Curve",
    "FailureMetrics",
    "Interval",
    "Overlaps",
    "PerImageState",
    "PooledExactState",
    "PooledHistogramState",
    "PooledRanking",
    "PooledRisk",
    "PooledState",
    "QualityMetrics",
    "QualityTable",
    "Ranking",
    "RankingMeans",
    "RankingReport",
    "RankingState",
    "RankingValues",
    "RiskValues",
    "bootstrap_interval",
    "calibration_error",
    "confusion_matrix",
    "curve",
    "dice",
    "failure_metrics",
    "mean_over_classes",
    "order",
    "overlaps",
    "per_class_dice",
    "per_class_iou",
    "per_class_quality",
    "quality_metrics",
    "quality_risk",
    "quality_table",
    "ranking_metrics",
    "risk",
    "risk_metrics",
    "success_ap",
    "summarize",
]
