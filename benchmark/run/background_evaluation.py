"""Metrics are computed in a thread, while the segmenter is at the next images already."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from ..evaluation.evaluator import Evaluator
from .fitting import FittedJob
from .test_pass import Answer, ScoredSample


class BackgroundEvaluation:
    """Lets evaluators take scores in a thread. Leaving the context waits for the last of them.

    Args:
        evaluators: the evaluator of each job, by the job's `id`.
        backlog: updates of metrics that may wait; each holds an image.
        on_failure: called, in the caller's thread, with a job whose scores an evaluator refuses.

    Attributes:
        seconds: what the metrics of each job took, by the job's `id`.
    """

    def __init__(
        self,
        evaluators: Mapping[int, Evaluator],
        backlog: int,
        on_failure: Callable[[FittedJob, Exception], None],
    ) -> None:
        self.seconds = dict.fromkeys(evaluators, 0.0)
        self._evaluators = evaluators
        self._backlog = backlog
        self._on_failure = on_failure
        self._thread = ThreadPoolExecutor(1)
        self._updates: deque[tuple[FittedJob, Future[float]]] = deque()

    def add(self, scored: ScoredSample) -> None:
        """Evaluate all answers for a sample, soon."""
        for answer in scored.answers:
            update = self._thread.submit(_update, self._evaluators[id(answer.fitted)], scored, answer)
            self._updates.append((answer.fitted, update))
        self._settle(self._backlog)

    def _settle(self, most: int) -> None:
        """Wait until at most so many updates are under way."""
        while len(self._updates) > most:
            job, update = self._updates.popleft()
            try:
                self.seconds[id(job)] += update.result()
            except Exception as error:  # scores of a plugin may be of any kind
                self._on_failure(job, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._settle(0)
        finally:
            self._thread.shutdown()


def _update(evaluator: Evaluator, scored: ScoredSample, answer: Answer) -> float:
    """Let an evaluator take the scores of a sample; the seconds that this took."""
    began = time.perf_counter()
    evaluator.update(scored.sample, scored.labels, answer.scores)
    return time.perf_counter() - began
