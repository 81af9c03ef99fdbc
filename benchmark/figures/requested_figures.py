"""All figures that `bench show` draws for a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..interfaces import Scores, Task
from ..interfaces.errors import ExtraMissingError
from ..planning.plan import plan_without_records
from ..planning.request import Request
from ..plugins.registry import Registry
from ..run.artifacts import Track
from ..run.fitting import FittedJob, Fitting, fit_group
from ..run.runner import pick_device
from ..run.test_pass import Answer, TestPass
from ..storage.store import Store
from .curve_figure import draw_curves
from .figure_files import file_stem, slug
from .method_labels import method_labels
from .quality_scatter import draw_scatters
from .sample_choice import chosen_samples
from .sample_panels import draw_panels, panels
from .volume_slice import shown_slice


def show(
    request: Request,
    registry: Registry,
    keys: Sequence[str],
    folder: Path,
    track: Track,
    say: Callable[[str], None],
    curves: bool = False,
) -> list[Path]:
    """Draw figures of the test split below a folder. What a run would train and is not there yet is trained.

    The methods of a pixel-level task get one picture of panels for each sample and task. A method of
    image-level failures gets one scatter of the whole test split. On volumes such a method also gets panels.

    Args:
        request: the methods, data sets and tasks to show. Records are neither read nor written.
        registry: the plugins.
        keys: of samples of the test split; empty for a few samples, see `chosen_samples`.
        folder: for the pictures.
        track: wraps an iterable in a progress bar: `track(iterable, description, total)`.
        say: shows a line to the user.
        curves: whether to draw curves, too, see `draw_curves`; takes a second pass, over the whole split.

    Returns:
        The files that were written.

    Raises:
        BenchError: a key is unknown, a method fails, or matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ExtraMissingError("bench show", "report", "matplotlib") from error
    mpl.use("Agg")
    store, device = Store(request.workspace, say), pick_device(request.device)
    written = []
    for group in plan_without_records(request, registry, say):
        fitting, jobs = fit_group(request, group, store, device, track)
        pixel = [job for job in jobs if job.method.task is not Task.IMAGE_FAILURE]
        image = [job for job in jobs if job.method.task is Task.IMAGE_FAILURE]
        written += draw_scatters(fitting, image, request.protocol, folder)
        if curves:
            written += draw_curves(fitting, pixel, folder)
        in_panels = pixel if group.data.dataset.info.ndim == 2 else [*pixel, *image]
        written += _draw_samples(fitting, in_panels, keys, folder)
    return written


def _draw_samples(
    fitting: Fitting, jobs: Sequence[FittedJob], keys: Sequence[str], folder: Path
) -> list[Path]:
    """A picture of panels for each sample and task."""
    if not jobs:
        return []
    group, info = fitting.group, fitting.group.data.dataset.info
    method_label = method_labels(jobs)
    written = []
    for scored in TestPass(fitting, chosen_samples(group, keys), jobs):
        for task, scores in _by_task(scored.answers, method_label).items():
            file = folder / f"{file_stem(group)}_{task}_{slug(scored.sample.key)}.png"
            shown = shown_slice(scored.sample, scored.labels, scores, info)
            draw_panels(list(panels(*shown, task, info)), file)
            written.append(file)
    return written


def _by_task(answers: Sequence[Answer], label: Mapping[int, str]) -> dict[Task, dict[str, Scores]]:
    """Task -> label of a method -> its scores of one sample. `label`: see `method_labels`."""
    by_task: dict[Task, dict[str, Scores]] = {}
    for task in Task:
        for answer in answers:
            if answer.fitted.method.task is task:
                by_task.setdefault(task, {})[label[id(answer.fitted)]] = answer.scores
    return by_task
