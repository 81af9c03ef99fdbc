"""The pipeline with plugins that watch what they are given: folds, keys, what is shared, what is kept."""

import sys
import types
from typing import ClassVar

import numpy as np
import pytest
import torch
from segalarm import Config, FitOn, Method, Needs, Option, Scores, Source, Task
from segalarm.benchmark.conformance.colour_segmenter import ColourSegmenter
from segalarm.benchmark.interfaces import Preset, Sample
from segalarm.benchmark.interfaces.errors import BenchError, UnknownNameError
from segalarm.benchmark.planning.request import Request
from segalarm.benchmark.plugins.registry import Entry, load_registry
from segalarm.benchmark.run.runner import describe, run
from segalarm.benchmark.storage.record import Record, read_records
from segalarm.benchmark.storage.record_parts import Compared
from segalarm.benchmark.training.fold_predictions import bounds
from segalarm.datasets.streethazards import StreetHazards
from sklearn.metrics import average_precision_score

LOG: list[tuple] = []


class Watched(ColourSegmenter):
    """Remembers the images it was trained on, and leaves a mark on predictions of those: confidence 0."""

    class Config(Config):
        wide: int = 1

    def fit(self, samples, context):
        self.keys = [sample.key for sample in samples]
        context.weights["watched"] = "none"
        LOG.append(("train", len(self.keys), context.seed))

    def save(self, folder):
        (folder / "keys.txt").write_text("\n".join(self.keys))

    def load(self, folder, device):
        self.keys = (folder / "keys.txt").read_text().split("\n")

    def predict(self, images, keys, needs, seed):
        found = super().predict(images, keys, needs, seed)
        for key, prediction in zip(keys, found, strict=True):
            if key in self.keys:
                prediction.confidence = torch.zeros_like(prediction.confidence)
        return found


class Seeded(Watched):
    """Knows its seed, and predicts by it."""

    def fit(self, samples, context):
        super().fit(samples, context)
        self.keys.append(f"seed {context.seed}")

    def predict(self, images, keys, needs, seed):
        drawn = int(self.keys[-1].removeprefix("seed "))
        return super().predict(images.roll(drawn, 1), keys, needs, seed)


class Narrow(Watched):
    """Predicts two classes fewer than there are."""

    def predict(self, images, keys, needs, seed):
        found = super().predict(images, keys, needs, seed)
        for prediction in found:
            if prediction.probabilities is not None:
                prediction.probabilities = prediction.probabilities[:-2]
        return found


class LearnerConfig(Config):
    on: Source = Source.OUT_OF_FOLD
    factor: float = 1.0


class Learner(Method):
    """Keeps the share of pairs whose predicting segmenter had seen the image."""

    Config = LearnerConfig

    def fit_on(self):
        return FitOn(self.config.on, Needs(probabilities=True))

    def fit_key(self):
        return {"on": self.config.on}

    def options(self):
        return [
            Option("factor", chosen_on_test="The factor was chosen elsewhere."),
            Option("on", chosen_on_test="Where it learns was chosen elsewhere."),
        ]

    def fit(self, pairs, context):
        shared = context.artifact("shared", Config(), build_shared, inputs=[pairs.key])
        seen = [
            bool((pair.prediction.confidence == 0).all()) for pair in pairs if pair.prediction is not None
        ]
        LOG.append(("fit", len(pairs), sum(seen), context.segmenter is not None, shared.name))
        self.share = np.mean(seen) if seen else -1

    def save(self, folder):
        (folder / "share.txt").write_text(str(self.share))

    def load(self, folder, context):
        self.share = float((folder / "share.txt").read_text())

    def score(self, batch, context):
        found = [item.memo.get("half", lambda item=item: expensive(item)) for item in batch]
        return [Scores(pixel=-self.config.factor * half) for half in found]


class Rival(Learner):
    """Another method that shares what `Learner` computes for an image."""


class Census(Method):
    """Notes the members that it is given, and whether the first is the segmenter's own prediction."""

    Config: ClassVar = Config

    def needs(self):
        return Needs(ensemble=3)

    def score(self, batch, context):
        for item in batch:
            members = item.prediction.members
            own = torch.equal(members[0], item.prediction.probabilities)
            LOG.append(("members", len(members), own, torch.equal(members[0], members[1])))
        return [Scores(pixel=-item.prediction.confidence.numpy()) for item in batch]


class FaultyConfig(Config):
    level: int = 0


class Faulty(Method):
    Config: ClassVar = FaultyConfig

    def score(self, batch, context):
        raise ZeroDivisionError("oh no")


def expensive(item):
    LOG.append(("expensive", item.view.key))
    return item.prediction.confidence.numpy() / 2


def build_shared(folder, context):
    LOG.append(("shared", context.seed))
    (folder / "file").write_text("")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    StreetHazards.toy(folder)
    return folder


@pytest.fixture
def go(tmp_path, tree, monkeypatch):
    """Runs a request on the toy with the plugins above; gives the outcome. `LOG` holds what they saw."""
    plugin = types.ModuleType("watching")
    for kind in (Watched, Seeded, Narrow, Learner, Rival, Census, Faulty):
        setattr(plugin, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "watching", plugin)
    registry = load_registry()

    def add(kind, name, target, **facts):
        entry = Entry(kind, name, f"watching:{target}", "here", "0", **facts)
        monkeypatch.setitem(registry.entries[kind], name, [entry])

    tasks = (Task.ANOMALY, Task.PIXEL_FAILURE)
    for name, target in (("watched", "Watched"), ("other", "Watched"), ("narrow", "Narrow")):
        add("segmenters", name, target)
    add("segmenters", "seeded", "Seeded")
    for name in ("learner", "rival", "census", "faulty"):
        add("methods", name, name.title(), tasks=tasks, trains=name in ("learner", "rival"))
    add("methods", "gone", "Missing", tasks=tasks)

    def call(*methods, only_describe=None, **more):
        LOG.clear()
        request = Request(
            **{
                "methods": methods,
                "datasets": ("streethazards",),
                "segmenters": ("watched",),
                "tasks": (Task.ANOMALY,),
                "variants": {"": "toy"},
                "data": {"": tree},
                "preset": Preset.FULL,
                "workspace": tmp_path / "workspace",
                "workers": 0,
                **more,
            }
        )
        if only_describe is not None:
            return describe(request, registry, only_describe)
        return run(request, registry, lambda items, description, total: items, LOG.append)

    return call


def seen(kind):
    return [entry[1:] for entry in LOG if entry[0] == kind]


def states(outcome):
    return {(result.identity.method, result.identity.seed): result.state for result in outcome.results}


def test_nothing_is_fitted_on_in_fold_predictions_where_out_of_fold_is_declared(go):
    go("learner")
    ((pairs, in_fold, has_segmenter, _),) = seen("fit")
    assert (pairs, in_fold) == (6, 0)
    assert not has_segmenter
    sizes = sorted(6 - (end - start) for start, end in bounds(6))
    assert sorted(count for count, _ in seen("train")) == [*sizes, 6]


def test_in_fold_predictions_are_the_final_segmenters_own(go):
    go("learner", options={"learner": {"on": "in-fold"}})
    ((pairs, in_fold, has_segmenter, _),) = seen("fit")
    assert (pairs, in_fold, has_segmenter) == (6, 6, True)
    assert len(seen("train")) == 1


def test_labels_need_no_segmenter(go):
    go("learner", options={"learner": {"on": "labels"}})
    ((_, in_fold, has_segmenter, _),) = seen("fit")
    assert (in_fold, has_segmenter) == (0, False)


def test_what_only_scoring_reads_makes_no_second_fit(go):
    go("learner")
    go("learner", options={"learner": {"factor": 2}})
    assert not seen("fit")
    assert len(seen("expensive")) == 4


def test_a_sweep_is_one_pass_and_one_fit(go):
    outcome = go("learner", sweeps={"learner": {"factor": (1, 2, 3)}})
    assert len(seen("fit")) == 1
    assert len(seen("expensive")) == 4
    assert [result.identity.method_config["factor"] for result in outcome.results] == [1, 2, 3]
    assert len({result.record for result in outcome.results}) == 3


def test_tasks_share_a_fit_whose_key_leaves_the_task_out(go):
    outcome = go("learner", tasks=(Task.ANOMALY, Task.PIXEL_FAILURE))
    assert len(seen("fit")) == 1
    assert [result.state for result in outcome.results] == ["ok", "ok"]


def test_methods_share_what_they_compute_for_an_image(go):
    go("learner", "rival")
    assert len(seen("fit")) == 2
    assert len(seen("expensive")) == 4


def test_methods_and_seeds_share_an_artifact(go):
    go("learner", "rival", seeds=(0, 1), segmenter_seed=0)
    assert seen("shared") == [(0,)]
    assert len({entry[-1] for entry in seen("fit")}) == 1
    assert {seed for _, seed in seen("train")} == {0}


def test_an_artifact_of_other_predictions_is_another(go):
    go("learner")
    go("learner", options={"learner": {"on": "in-fold"}})
    assert seen("shared") == [(0,)]
    go("learner", options={"watched": {"wide": 2}})
    assert seen("shared") == [(0,)]


def test_a_method_may_learn_from_another_segmenters_predictions(go):
    outcome = go("learner", "msp", train_segmenter="other", options={"other": {"wide": 3}})
    # The tested segmenter once, and the other's folds; the other is never trained on everything.
    assert sorted(count for count, _ in seen("train")) == [4, 4, 5, 5, 6]
    ((pairs, in_fold, has_segmenter, _),) = seen("fit")
    assert (pairs, in_fold, has_segmenter) == (6, 0, False)
    learner, msp = (result.identity for result in outcome.results)
    assert (learner.segmenter, learner.train_segmenter) == ("watched", "other")
    assert learner.train_segmenter_config == {"wide": 3}
    assert msp.train_segmenter is None
    go("learner", segmenters=("watched", "other"), train_segmenter="other", options={"other": {"wide": 3}})
    # The other learns from itself alike: what was learned is there.
    assert not seen("fit")


def test_segmenters_of_different_classes_are_refused(go):
    outcome = go("learner", train_segmenter="narrow")
    assert outcome.results[0].state == "failed"
    assert "'narrow' predicts 11 classes, but streethazards has 13" in outcome.results[0].reason
    outcome = go("learner", "entropy", segmenters=("narrow",), train_segmenter="watched")
    assert "'narrow' predicts 11 classes" in outcome.results[1].reason


def test_an_ensemble_is_segmenters_of_the_seeds_after_the_tested_ones(go):
    outcome = go("census", "msp", segmenters=("seeded",), seeds=(3,))
    assert [result.state for result in outcome.results] == ["ok", "ok"]
    assert seen("train") == [(6, 3), (6, 4), (6, 5)]
    assert seen("members") == [(3, True, False)] * 4
    assert "fit" in Record.load(outcome.results[0].record).timings


def test_a_run_of_a_members_seed_finds_it_trained(go):
    go("census", segmenters=("seeded",))
    go("msp", segmenters=("seeded",), seeds=(2,))
    assert seen("train") == []
    go("census", segmenters=("seeded",), seeds=(1,))
    assert seen("train") == [(6, 3)]


def test_members_are_listed_before_they_are_trained(go):
    lines = []
    go("msp", segmenters=("seeded",), seeds=(1,))
    go("census", segmenters=("seeded",), only_describe=lines.append)
    text = "\n".join(lines)
    assert "to make  segmenter seeded\n" in text
    assert "cached   segmenter seeded of seed 1" in text
    assert "to make  segmenter seeded of seed 2" in text


def test_a_checkpoint_has_no_other_seeds(go, tmp_path):
    (tmp_path / "weights").write_text("")
    outcome = go("census", checkpoint=tmp_path / "weights", only_describe=LOG.append)
    assert states(outcome) == {("census", 0): "skipped"}
    assert "several seeds, but --checkpoint gives one" in outcome.results[0].reason


def test_precision_makes_another_record(go):
    go("msp")
    assert states(go("msp")) == {("msp", 0): "cached"}
    assert states(go("msp", precision="bf16-mixed")) == {("msp", 0): "ok"}


def test_a_cached_segmenter_keeps_the_weights_it_started_from(go, tmp_path):
    go("msp")
    go("entropy")
    assert not seen("train")
    records = read_records(tmp_path / "workspace" / "records")
    assert [record.provenance.weights for record in records] == [{"watched": "none"}] * 2


def test_a_method_that_fails_does_not_stop_the_others(go):
    outcome = go("faulty", "gone", "msp")
    assert states(outcome) == {("faulty", 0): "failed", ("msp", 0): "ok"}
    assert "ZeroDivisionError: oh no" in outcome.results[0].reason
    assert "'gone' of plugin 'here' (watching:Missing) cannot be imported" in str(outcome.errors[0].error)
    assert outcome.failed
    assert outcome.results[0].has_traceback
    assert "ZeroDivisionError: oh no" in Record.load(outcome.results[0].record).traceback


def test_a_data_set_of_another_form_is_named_before_anything_is_trained(go, monkeypatch):
    image = Sample.image.func
    monkeypatch.setattr(Sample, "image", property(lambda self: (255 * image(self)).astype(np.uint8)))
    outcome = go("msp", "entropy")
    assert {result.state for result in outcome.results} == {"failed"}
    assert "image is uint8, not float32. `bench check streethazards`" in outcome.results[0].reason
    assert not seen("train")


def test_results_say_by_which_options_runs_of_one_method_differ(go):
    outcome = go("learner", sweeps={"learner": {"factor": (1, 2)}})
    assert [result.options for result in outcome.results] == [{"factor": 1}, {"factor": 2}]
    outcome = go("learner", tune_on="validation", sweeps={"learner": {"factor": (1, 2)}})
    (result,) = outcome.results
    record = Record.load(result.record)
    assert result.options == {}
    assert result.chosen == record.tuning.chosen
    assert result.chosen.keys() == {"factor"}


def test_a_run_that_fails_leaves_a_finished_record_as_it_was(go, tmp_path, monkeypatch):
    go("msp")
    (before,) = read_records(tmp_path / "workspace" / "records")

    def broken(self, batch, context):
        raise BenchError("out of memory")

    from segalarm.methods.msp import MSP

    monkeypatch.setattr(MSP, "score", broken)
    outcome = go("msp", rerun="always")
    assert outcome.failed
    assert "left as it was" in outcome.results[0].reason
    assert read_records(tmp_path / "workspace" / "records") == [before]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("4 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 99999999 bytes"),
    ],
)
def test_too_little_memory_says_what_to_make_smaller(go, monkeypatch, error):
    def greedy(self, samples, context):
        raise error

    monkeypatch.setattr(Watched, "fit", greedy)
    outcome = go("msp")
    assert "out of memory" in outcome.results[0].reason
    assert "--preset" in outcome.results[0].reason


def test_a_need_that_the_segmenter_lacks_is_a_skip(go, monkeypatch):
    monkeypatch.setattr(Watched, "lacks", lambda self, needs: "no logits here" if needs.logits else None)
    assert Needs(logits=True) == Needs() | Needs(logits=True)
    outcome = go("maxlogit", "msp")
    assert states(outcome) == {("maxlogit", 0): "skipped", ("msp", 0): "ok"}
    assert outcome.results[0].reason == "no logits here"
    monkeypatch.setattr(Watched, "lacks", lambda self, needs: None)
    assert states(go("maxlogit", "msp")) == {("maxlogit", 0): "ok", ("msp", 0): "cached"}


def test_a_dry_run_lists_folds_and_predictions(go):
    lines = []
    go("learner", only_describe=lines.append)
    text = "\n".join(lines)
    assert "to make  segmenter watched, fold 4 of 4" in text
    assert "to make  predictions of watched's folds" in text
    go("learner")
    lines.clear()
    go("learner", options={"learner": {"factor": 3}}, only_describe=lines.append)
    assert "cached   fit learner for anomaly" in "\n".join(lines)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"options": {"lerner": {"factor": 2}}}, "learner"),
        ({"segmenters": ("watchd",)}, "watched"),
        ({"train_dataset": "cityscape"}, "cityscapes"),
        ({"variants": {"streethazard": "toy"}}, "streethazards"),
    ],
)
def test_an_unknown_name_is_found_before_anything_runs(go, more, named):
    with pytest.raises(UnknownNameError, match=f"Did you mean.* {named}"):
        go("learner", **more)
    assert LOG == []


def test_a_bare_variant_names_only_trees_that_are_not_the_release(go, tmp_path):
    outcome = go("msp", datasets=("streethazards-mini",), preset=Preset.SMOKE)
    assert outcome.results[0].identity.variant is None


TUNE = {"tune_on": "validation", "sweeps": {"learner": {"factor": (-1.0, 0.5, 1.0)}}}


def precisions(tree, positives):
    """Mean over validation images of average precision, of confidence and of its negation."""
    model, found = ColourSegmenter(Config(), StreetHazards.info), []
    for sample in StreetHazards(tree).samples("validation"):
        (prediction,) = model.predict(torch.from_numpy(sample.image)[None], [sample.key], Needs(), 0)
        positive = positives(sample, prediction.labels.numpy()).ravel()
        confidence = prediction.confidence.numpy().ravel()
        found.append([average_precision_score(positive, sign * confidence) for sign in (1, -1)])
    return np.mean(found, axis=0)


def test_an_option_is_chosen_on_held_out_data_and_the_best_alone_is_tested(go, tree):
    outcome = go("learner", "msp", tasks=(Task.PIXEL_FAILURE,), **TUNE)
    keys = {key for (key,) in seen("expensive")}
    assert {key.split("/")[0] for key in keys} == {"validation", "test"}
    # One pass over the two validation images and one over the four of test, for all values.
    assert len(seen("expensive")) == 6
    tuned, msp = outcome.results
    record = next(r for r in read_records(tuned.record.parent) if r.identity.method == "learner")
    how = record.tuning
    high, low = precisions(tree, lambda sample, labels: labels != sample.truth.label)
    trials = {trial.options["factor"]: trial.value for trial in how.trials}
    assert trials[-1.0] == pytest.approx(high)
    assert trials[1.0] == pytest.approx(low)
    best = max(trials, key=trials.get)
    assert how.chosen == {"factor": best}
    assert (how.split, how.images, how.metric, how.reason) == ("validation", 2, "AP-Error", None)
    assert record.identity.method_config["factor"] == best
    assert record.compared is None
    assert record.caveats == ("Where it learns was chosen elsewhere.",)
    assert msp.identity.tuned is None


def test_a_record_holds_the_options_that_are_not_at_the_methods_own_values(go):
    options = {"learner": {"factor": 2, "on": "out-of-fold"}}
    results = go("learner", "msp", tasks=(Task.PIXEL_FAILURE,), options=options).results
    learner, msp = (Record.load(result.record) for result in results)
    assert learner.changed == {"factor": 2.0}
    assert msp.changed == {}
    sweep = {"learner": {"factor": (0.5, 1.5)}}
    for result in go("learner", tasks=(Task.PIXEL_FAILURE,), options=options, sweeps=sweep).results:
        assert Record.load(result.record).changed == {}


def test_held_out_data_without_anomalies_is_judged_by_errors_and_the_record_says_so(go):
    outcome = go("learner", **TUNE)
    how = Record.load(outcome.results[0].record).tuning
    assert (how.metric, how.reason) == ("AP-Error", "the split holds no anomalous pixel")


def test_held_out_anomalies_are_what_counts_where_there_are_any(go, tree, monkeypatch):
    def samples(self, split, read=StreetHazards.samples):
        return read(self, "test" if split == "validation" else split)

    monkeypatch.setattr(StreetHazards, "samples", samples)
    how = Record.load(go("learner", **TUNE).results[0].record).tuning
    high, low = precisions(tree, lambda sample, labels: sample.truth.anomaly)
    assert how.metric == "AUPR"
    trials = {trial.options["factor"]: trial.value for trial in how.trials}
    assert (trials[-1.0], trials[1.0]) == (pytest.approx(high), pytest.approx(low))


def test_a_choice_is_made_once_and_is_no_other_runs_record(go):
    first = go("learner", **TUNE)
    again = go("learner", **TUNE)
    assert states(again) == {("learner", 0): "cached"}
    chosen = first.results[0].identity.method_config["factor"]
    plain = go("learner", options={"learner": {"factor": chosen}})
    assert plain.results[0].identity.key != first.results[0].identity.key
    lines = []
    go("learner", only_describe=lines.append, rerun="always", **TUNE)
    assert "  to make  one pass over 2 images of validation, to choose options" in lines


def test_a_choice_needs_a_split_to_be_made_on(go, monkeypatch):
    read = StreetHazards.samples
    monkeypatch.setattr(
        StreetHazards, "samples", lambda self, split: [] if split == "validation" else read(self, split)
    )
    outcome = go("learner", "msp", **TUNE)
    assert states(outcome) == {("msp", 0): "ok"}
    (unplanned,) = outcome.errors
    assert "'streethazards' has no validation split to choose factor on" in str(unplanned.error)


def test_a_choice_of_nothing_is_refused(go):
    outcome = go("msp", tune_on="validation")
    assert not outcome.results
    (unplanned,) = outcome.errors
    assert "--tune-on validation: no method that was named (msp) has candidate values" in str(unplanned.error)


def test_a_candidate_that_fails_fails_its_method_alone(go):
    sweeps = {"faulty": {"level": (1, 2)}, **TUNE["sweeps"]}
    outcome = go("faulty", "learner", tune_on="validation", sweeps=sweeps)
    assert outcome.results[0].reason.startswith("ZeroDivisionError: oh no")
    assert states(outcome) == {("faulty", 0): "failed", ("learner", 0): "ok"}
    outcome = go("learner", "msp", tune_on="validation", sweeps={"learner": {"on": ("labels", "no")}})
    assert "on = 'no'" in str(outcome.errors[0].error)


def test_what_a_sweep_compares_on_the_test_split_is_in_its_records(go):
    outcome = go("learner", "msp", sweeps={"learner": {"factor": (1, 2)}})
    records = read_records(outcome.results[0].record.parent)
    compared = Compared(split="test", options={"factor": [1, 2]})
    assert [record.compared for record in records] == [compared, compared, None]


def test_a_sweep_beside_a_finished_run_is_noted_in_the_record_of_that_run(go):
    first = go("learner", options={"learner": {"factor": 1}})
    (alone,) = read_records(first.results[0].record.parent)
    go("learner", sweeps={"learner": {"factor": (1, 2)}})
    outcome = go("learner", sweeps={"learner": {"factor": (1, 3)}})
    assert states(outcome)[("learner", 0)] in ("cached", "ok")
    records = {r.identity.method_config["factor"]: r for r in read_records(first.results[0].record.parent)}
    options = records[1].compared.options["factor"]
    assert options == [1, 2, 3]
    assert records[1].metrics == alone.metrics
    assert alone.compared is None
