"""Choosing options on held-out data (`--tune-on`), so that none is ever chosen on test labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..evaluation.by_task import make_evaluator
from ..evaluation.ground_truth import anomalous_pixels, wrong_pixels
from ..evaluation.score_checks import pixel_scores
from ..interfaces import Labels, Sample, Scores, Task
from ..interfaces.errors import BenchError
from ..metrics import PerImageState
from ..storage.record import Record
from ..storage.record_parts import Compared, Trial, Tuning
from .artifacts import Stages
from .plan import Candidate, Cell, config_facts
from .test_pass import scored


class Criterion(ABC):
    """What candidates are compared by, on one split.

    Attributes:
        metric, aggregation: as in a record.
        sign: 1 where higher is better, else -1.
        reason: why this one, where it is not the task's own.
    """

    metric: str
    aggregation = "per-image"
    sign = 1
    reason: str | None = None

    @abstractmethod
    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Add a sample."""

    @abstractmethod
    def value(self) -> float:
        """The metric over all samples; NaN where the split has nothing to compute it from."""


class AveragePrecision(Criterion):
    """Average precision of anomalies (AUPR) or of errors (AP-Error), an image, then the mean.

    Per image whatever a table prints: a few numbers an image hold it, for any number of candidates.
    """

    def __init__(self, metric: str, reason: str | None = None) -> None:
        self.metric = metric
        self.reason = reason
        self._state = PerImageState()

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Rank the sample's pixels."""
        if self.metric == "AUPR" and sample.truth.anomaly is None:
            return
        masks = anomalous_pixels(sample) if self.metric == "AUPR" else wrong_pixels(sample, prediction)
        self._state.update(sample.key, pixel_scores(sample, scores), *masks)

    def value(self) -> float:
        """NaN where no image holds both kinds of pixel."""
        return self._state.compute().value.ap


class QualityError(Criterion):
    """MAE of the predicted quality, per class, then the mean."""

    metric, aggregation, sign = "MAE", "per-class", -1

    def __init__(self, stages: Stages) -> None:
        info = stages.group.train.dataset.info
        self._evaluator = make_evaluator(Task.IMAGE_FAILURE, info, stages.request.protocol)

    def update(self, sample: Sample, prediction: Labels, scores: Scores) -> None:
        """Note predicted and actual quality."""
        self._evaluator.update(sample, prediction, scores)

    def value(self) -> float:
        """NaN where no class occurs."""
        return self._evaluator.result().metrics["per-class"]["MAE"]


def criteria(task: Task, stages: Stages) -> list[Criterion]:
    """What to compare by, best first; the first that the split can compute counts.

    Held-out data seldom holds anomalies: StreetHazards' has none. What a segmenter gets wrong there stands in
    for what it has never seen.
    """
    if task is Task.IMAGE_FAILURE:
        return [QualityError(stages)]
    if task is Task.PIXEL_FAILURE:
        return [AveragePrecision("AP-Error")]
    return [AveragePrecision("AUPR"), AveragePrecision("AP-Error", "the split holds no anomalous pixel")]


@dataclass(frozen=True)
class _Trial:
    """One candidate of a cell, as a cell of its own."""

    parent: Cell
    candidate: Candidate
    cell: Cell
    criteria: list[Criterion]


def tune(stages: Stages, cells: Sequence[Cell]) -> list[tuple[Cell, Exception]]:
    """Give every cell with candidates the best of them, by one pass over the held-out split.

    Returns:
        The cells whose choice failed, with the reason; the others have one.
    """
    trials = [_trial(cell, candidate, stages) for cell in cells for candidate in cell.candidates]
    failed: dict[int, tuple[Cell, Exception]] = {}
    for trial in trials:
        try:
            if id(trial.parent) not in failed:
                stages.fit(trial.cell)
        except Exception as error:
            failed[id(trial.parent)] = (trial.parent, error)
    alive = {id(t.cell): t for t in trials if id(t.parent) not in failed}
    if alive:
        for sample, labels, answers in scored(
            stages, stages.group.train.validation, [trial.cell for trial in alive.values()]
        ):
            for cell, answer in answers:
                trial = alive[id(cell)]
                try:
                    if isinstance(answer, Exception):
                        raise answer
                    if id(trial.parent) not in failed:
                        for criterion in trial.criteria:
                            criterion.update(sample, labels, answer)
                except Exception as error:
                    failed.setdefault(id(trial.parent), (trial.parent, error))
    for cell in cells:
        if cell.candidates and id(cell) not in failed:
            try:
                _choose(cell, [trial for trial in trials if trial.parent is cell])
            except BenchError as error:
                failed[id(cell)] = (cell, error)
    return list(failed.values())


def _trial(cell: Cell, candidate: Candidate, stages: Stages) -> _Trial:
    method = candidate.method
    facts = config_facts(method.config, method.files())
    identity = cell.identity.model_copy(update={"method_config": facts})
    own = replace(cell, method=method, identity=identity, candidates=(), weights={})
    return _Trial(cell, candidate, own, criteria(cell.identity.task, stages))


def _choose(cell: Cell, trials: Sequence[_Trial]) -> None:
    """Of equally good candidates the first."""
    tuned = cell.identity.tuned
    assert tuned is not None
    for judges in zip(*(trial.criteria for trial in trials), strict=True):
        values = [judge.value() for judge in judges]
        if any(value == value for value in values):
            break
    else:
        raise BenchError(
            f"--tune-on {tuned.split}: {', '.join(c.metric for c in trials[0].criteria)} cannot be computed "
            f"on the {tuned.n_samples} images of that split, so {', '.join(tuned.options)} cannot be chosen "
            "on it: set it with --set instead"
        )
    judge = judges[0]
    best = max(range(len(trials)), key=lambda row: _worth(judge.sign * values[row]))
    chosen = trials[best]
    cell.method, cell.identity, cell.candidates = chosen.cell.method, chosen.cell.identity, ()
    cell.fit_seconds, cell.weights = chosen.cell.fit_seconds, chosen.cell.weights
    cell.choice = Tuning(
        chosen=dict(chosen.candidate.options),
        split=tuned.split,
        images=tuned.n_samples,
        metric=judge.metric,
        aggregation=judge.aggregation,
        reason=judge.reason,
        trials=tuple(
            Trial(options=dict(trial.candidate.options), value=value)
            for trial, value in zip(trials, values, strict=True)
        ),
    )


def _worth(value: float) -> float:
    return value if value == value else float("-inf")


def facts(cell: Cell) -> dict[str, Any]:
    """The fields of a record that say how options came to their values."""
    anew = cell.identity.tuned.options if cell.identity.tuned else ()
    caveats = [note for option, note in cell.method.caveats().items() if option not in anew]
    return {
        "tuning": cell.choice,
        "compared": Compared(split="test", options=dict(cell.compared)) if cell.compared else None,
        "changed": dict(cell.changed),
        "caveats": tuple(dict.fromkeys(caveats)),
    }


def amend(cell: Cell) -> None:
    """Note in a cached record the values that this run compares it with on the test split."""
    if not cell.compared or cell.record is None:
        return
    record = Record.load(cell.record)
    noted: dict[str, Any] = dict(record.compared.options) if record.compared else {}
    options = dict(noted)
    for key, values in cell.compared.items():
        earlier = noted.get(key, [])
        options[key] = [*earlier, *(value for value in values if value not in earlier)]
    if options != noted:
        compared = Compared(split="test", options=options)
        record.model_copy(update={"compared": compared}).save(cell.record.parent)
