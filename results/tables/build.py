"""Records to tables: published and measured numbers side by side. Reads nothing but records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...benchmark.interfaces import Preset, Protocol
from ...benchmark.interfaces.errors import UnknownNameError
from ...benchmark.storage.record import Record
from ..published_rows import read_published
from ..table_spec import Metric, RowSpec, Section, TableSpec
from .caption import caption, measured_facts, published_facts
from .cells import mark_best, measure
from .content import Block, Cell, Column, Line, Source, Table
from .cost import COLUMNS, devices, measure_cost
from .footnotes import choices
from .grouping import Setting, group_records, narrowed, runs_of
from .render import FORMATS, render

__all__ = ["AGGREGATIONS", "FORMATS", "Metric", "Section", "Table", "TableSpec", "build_table", "render"]

AGGREGATIONS = ("per-image", "pooled")


def build_table(
    spec: TableSpec,
    records: Iterable[Record],
    *,
    dataset: str | None = None,
    variant: str | None = None,
    protocol: Protocol | str | None = None,
    preset: Preset | str | None = None,
    aggregation: str | None = None,
    all_metrics: bool = False,
    per_class: bool = False,
    cost: bool = False,
) -> Table:
    """Fill a table.

    Runs on the release stand beside the published numbers. Runs on anything else (a variant, a generated data
    set) make grids of their own below the published ones. Runs that differ in data, protocol, preset or
    precision make separate grids; those that differ in configuration, separate rows.

    Args:
        dataset, variant, protocol, preset: keep the records that have it; `dataset` may be one that the
            table does not name.
        aggregation: "per-image" or "pooled", instead of what each metric of the pixel tasks is published in.
        all_metrics: also the metrics that the paper does not print, and the segmenter's mean IoU.
        per_class: instead of averages over classes, a grid a metric with every class.
        cost: instead of metrics, seconds a frame and peak memory of what was measured.

    Raises:
        UnknownNameError: no such aggregation.
    """
    if aggregation is not None and aggregation not in AGGREGATIONS:
        raise UnknownNameError("aggregation", aggregation, AGGREGATIONS)
    tasks = {section.task for section in spec.sections}
    datasets = {dataset} if dataset else {spec.release, *spec.minis}
    methods = {row.method for row in spec.published_rows}
    of_task = [record for record in records if record.identity.task in tasks]
    of_data = [record for record in of_task if record.identity.dataset in datasets]
    kept = [
        record
        for record in narrowed(of_data, variant=variant, protocol=protocol, preset=preset)
        if spec.others or record.identity.method in methods
    ]
    builder = _Builder(spec, aggregation, kept, dataset, bool(variant), all_metrics)
    make = builder.cost if cost else builder.per_class if per_class else builder.section
    blocks = tuple(block for section in spec.sections for block in make(section))
    hints = _hints(spec, of_data, kept, dataset)
    if per_class and not blocks and not hints:
        hints = ("No metric of this table is made class by class.",)
    return Table(spec, blocks, hints)


def _hints(
    spec: TableSpec, of_data: Sequence[Record], kept: Sequence[Record], dataset: str | None
) -> tuple[str, ...]:
    if kept:
        return ()
    if of_data:
        left = Counter(f"protocol {r.identity.protocol}, preset {r.identity.preset}" for r in of_data)
        found = "; ".join(f"{number} with {what}" for what, number in sorted(left.items()))
        return (f"No record is as asked for. There are others: {found}.",)
    name = dataset or next(iter(spec.minis), spec.release)
    tasks = ",".join(section.task for section in spec.sections)
    return (f"Nothing measured yet. Fill this table: bench run --method all --dataset {name} --task {tasks}",)


@dataclass(frozen=True)
class _Builder:
    """Builds the grids of a table. `dataset`, `variant`: as asked for."""

    spec: TableSpec
    aggregation: str | None
    records: Sequence[Record]
    dataset: str | None
    variant: bool
    all_metrics: bool

    def per_class(self, section: Section) -> list[Block]:
        """A grid a metric that averages over classes, of every class, for what was measured."""
        groups = group_records(r for r in self.records if r.identity.task is section.task)
        metrics = [metric for metric in section.metrics if metric.aggregation == "per-class"]
        return [
            self._of_classes(section, metric, segmenter, setting, records)
            for (_, segmenter, setting), records in sorted(groups.items(), key=self._order)
            for metric in metrics
        ]

    def cost(self, section: Section) -> list[Block]:
        """A grid of costs a setting, of what was measured."""
        done = [record for record in self.records if record.status == "ok"]
        groups = group_records(record for record in done if record.identity.task is section.task)
        blocks = []
        for (_, segmenter, setting), records in sorted(groups.items(), key=self._order):
            lines = [
                Line(
                    run.label,
                    run.method,
                    run.row is not None,
                    tuple(measure_cost(run.records, column) for column in COLUMNS),
                )
                for run in runs_of(records, self.spec.rows(section.task, segmenter))
            ]
            facts = measured_facts(section, segmenter, setting, records, self._is_release(setting))
            facts |= {"section": f"{section.title}, cost", "devices": devices(records)}
            blocks.append(Block(caption(facts, COLUMNS), facts, tuple(COLUMNS), tuple(lines)))
        return blocks

    def _of_classes(
        self, section: Section, metric: Metric, segmenter: str, setting: Setting, records: Sequence[Record]
    ) -> Block:
        classes = {cls: None for record in records for cls in record.per_class.get(metric.name, {})}
        columns = [Column(metric, "measured", cls) for cls in classes]
        rows = self.spec.rows(section.task, segmenter)
        runs = runs_of(records, rows)
        runs.sort(key=lambda run: len(rows) if run.row is None else rows.index(run.row))
        lines = [
            self._line(run.label, run.method, run.row is not None, None, run.records, columns) for run in runs
        ]
        facts = measured_facts(section, segmenter, setting, records, self._is_release(setting))
        facts["section"] = f"{section.title}, {metric.label} of each class"
        return replace(self._block(facts, columns, lines), by_class=True)

    def section(self, section: Section) -> list[Block]:
        """The grids of one section: published ones first, then those that are not of the release."""
        groups = group_records(r for r in self.records if r.identity.task is section.task)
        beside: list[Block] = []
        below: list[Block] = []
        for (_, segmenter, setting), records in sorted(groups.items(), key=self._order):
            published = self._is_release(setting) and segmenter in self.spec.segmenters
            block = self._measured(section, segmenter, setting, records, published)
            (beside if published else below).append(block)
        filled = {block.facts["segmenter"] for block in beside}
        missing = [segmenter for segmenter in self.spec.segmenters if segmenter not in filled]
        beside += [self._published(section, segmenter) for segmenter in missing]
        places = {name: place for place, name in enumerate(self.spec.segmenters)}
        beside.sort(key=lambda block: places[block.facts["segmenter"]])
        beside += self._later(section)
        if not below and not self.records and self.dataset not in (None, self.spec.release):
            below.append(self._nothing(section))
        return [block for block in [*beside, *below] if block.lines]

    def _order(self, item: tuple[tuple[object, str, Setting], object]) -> tuple[object, ...]:
        (_, segmenter, setting), _ = item
        known = self.spec.segmenters
        place = known.index(segmenter) if segmenter in known else len(known)
        return (setting.dataset != self.spec.release, *setting.order, place, segmenter)

    def _is_release(self, setting: Setting) -> bool:
        data = (setting.dataset, setting.variant, setting.train_dataset, setting.train_variant)
        return data == (self.spec.release, None, self.spec.release, None)

    def _columns(self, section: Section, sources: Sequence[Source]) -> tuple[Column, ...]:
        columns = [
            Column(metric if source == "published" else self._aggregated(metric), source)
            for metric in section.metrics
            for source in sources
        ]
        if self.all_metrics and "measured" in sources:
            columns += [Column(self._aggregated(metric), "measured") for metric in section.more]
        return tuple(columns)

    def _aggregated(self, metric: Metric) -> Metric:
        if self.aggregation is None or metric.aggregation not in AGGREGATIONS:
            return metric
        return replace(metric, aggregation=self.aggregation)

    def _published(self, section: Section, segmenter: str) -> Block:
        """The published rows; with measured columns where runs on the release, or none, were asked for."""
        asked = self.dataset == self.spec.release or self.dataset is None
        fillable = asked and not self.records and not self.variant
        columns = self._columns(section, ("published", "measured") if fillable else ("published",))
        facts = published_facts(self.spec, section, segmenter)
        lines = [
            line
            for row in self.spec.rows(section.task, segmenter)
            for line in self._lines(section, segmenter, row, [], columns)
        ]
        return self._block(facts, columns, lines)

    def _later(self, section: Section) -> list[Block]:
        """Numbers of later work, as printed there: other networks, so none is best."""
        rows = [row for row in read_published(self.spec.later) if row.task is section.task]
        columns = [
            Column(replace(metric, aggregation="as printed"), "published") for metric in section.metrics
        ]
        lines = []
        for row in rows:
            how = f"Aggregation: {row.aggregation or 'not known'}."
            line = self._line(row.label, row.method, False, row.values, (), columns)
            lines.append(
                replace(line, notes=(" ".join(filter(None, [f"{row.source}.", how, row.footnote])),))
            )
        facts = {
            "section": f"later work: {section.title}",
            "task": section.task.value,
            "dataset": self.spec.release,
            "segmenter": None,
            "origin": "published by others, with networks of their own",
        }
        return [Block(caption(facts, columns), facts, tuple(columns), tuple(lines))] if lines else []

    def _nothing(self, section: Section) -> Block:
        columns = self._columns(section, ("measured",))
        facts = {
            "section": section.title,
            "task": section.task.value,
            "dataset": self.dataset,
            "segmenter": None,
        }
        lines = [
            line
            for row in self.spec.rows(section.task, "")
            for line in self._lines(section, "", row, [], columns)
        ]
        return self._block(facts, columns, list({line.label: line for line in lines}.values()))

    def _measured(
        self, section: Section, segmenter: str, setting: Setting, records: Sequence[Record], published: bool
    ) -> Block:
        sources: tuple[Source, ...] = ("published", "measured") if published else ("measured",)
        columns = self._columns(section, sources)
        rows = self.spec.rows(section.task, segmenter)
        runs = runs_of(records, rows)
        lines = []
        for row in rows:
            mine = [(run.label, run.records) for run in runs if run.row == row]
            lines += self._lines(section, segmenter, row, mine, columns)
        for run in runs:
            if run.row is None:
                lines.append(self._line(run.label, run.method, False, None, run.records, columns))
        facts = measured_facts(section, segmenter, setting, records, self._is_release(setting))
        return self._block(facts, columns, lines)

    def _lines(
        self,
        section: Section,
        segmenter: str,
        row: RowSpec,
        runs: Sequence[tuple[str, Sequence[Record]]],
        columns: Sequence[Column],
    ) -> list[Line]:
        """A row of the paper: a line a configuration that fits; published numbers on the first."""
        known = self.spec.published_row(section.task, segmenter, row.label)
        values = known.values if known else {}
        lines = []
        for place, (label, records) in enumerate(runs or [(row.label, ())]):
            numbers = values if place == 0 else {}
            lines.append(self._line(label, row.method, True, numbers, records, columns))
        shows_published = any(column.source == "published" for column in columns)
        if known and known.footnote and shows_published:
            lines[0] = replace(lines[0], notes=(f"Published: {known.footnote}", *lines[0].notes))
        return lines

    def _line(
        self,
        label: str,
        method: str | None,
        published: bool,
        numbers: Mapping[str, float] | None,
        records: Sequence[Record],
        columns: Sequence[Column],
    ) -> Line:
        """One row; `numbers` are the published ones, `records` those of one configuration."""
        cells = []
        for column in columns:
            if column.source == "published":
                value = (numbers or {}).get(column.metric.name)
                cells.append(Cell("empty") if value is None else Cell("value", value=value))
            else:
                cells.append(measure(records, column, self.spec.decimals) if records else Cell("not run"))
        return Line(label, method, published, tuple(cells), choices(records))

    def _block(self, facts: dict[str, Any], columns: Sequence[Column], lines: Sequence[Line]) -> Block:
        marked = mark_best(lines, columns, self.spec.decimals)
        return Block(caption(facts, columns, self.all_metrics), facts, tuple(columns), marked)
