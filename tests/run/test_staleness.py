"""Which edits of the project's own code make which artifacts and records stale, in copies of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import segalarm
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards

PACKAGE = Path(segalarm.__file__).parent
PARTS = ("__init__.py", "training.py", "benchmark", "datasets", "methods", "results")
KEYS = """
import json, sys
from pathlib import Path
from segalarm.benchmark.interfaces import Preset, Task
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.run.artifacts import method_artifact
from segalarm.benchmark.planning.plan import plan
from segalarm.benchmark.planning.request import Request
from segalarm.benchmark.storage.code_hash import code_hash
from segalarm.benchmark.storage.store import key_of
from segalarm.methods.synthcp.cgan.synthesizer import cgan

folder = Path(sys.argv[1])
methods = ("msp", "knn", "ensemble", "direct-prediction", "vae-alarm", "synthcp")
request = Request(
    methods=methods,
    datasets=("cityscapes", "streethazards"),
    tasks=tuple(Task),
    sweeps={"synthcp": {"gate_with": ("msp", "knn")}},
    variants={"": "toy"},
    data={"": folder},
    preset=Preset.SMOKE,
    workspace=folder / "workspace",
)
keys = {"cgan": code_hash(cgan)}
for group in plan(request, load_registry()):
    data = group.data.dataset.info.name
    keys[f"segmenter {data}"] = key_of(group.segmenter.facts)
    for job in group.jobs:
        gate = job.identity.method_config.get("gate_with", "")
        name = f"{job.entry.name} {gate} {data} {job.identity.task}"
        keys[f"record {name}"] = job.code
        if job.method.fit_on() is not None:
            kind, facts = method_artifact(job, group, job.method.fit_on())
            keys[f"fit {name}"] = kind + key_of(facts)
print(json.dumps(keys))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    Cityscapes.toy(folder / "cityscapes")
    StreetHazards.toy(folder / "streethazards")
    return folder


@pytest.fixture(scope="module")
def keys(data, tmp_path_factory):
    """Copies the package, edits the copy, and gives the keys that artifacts and records have there."""

    def edited(edit=lambda package: None):
        root = tmp_path_factory.mktemp("copy")
        package = root / "segalarm"
        for part in PARTS:
            source = PACKAGE / part
            if source.is_dir():
                shutil.copytree(
                    source, package / part, ignore=shutil.ignore_patterns("records", "__pycache__")
                )
            else:
                package.mkdir(exist_ok=True)
                shutil.copy(source, package / part)
        edit(package)
        environment = {**os.environ, "PYTHONPATH": str(root), "BENCH_PLUGINS": ""}
        run = {"capture_output": True, "text": True, "env": environment, "cwd": root, "check": False}
        done = subprocess.run([sys.executable, "-c", KEYS, str(data)], **run)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(root)
        return json.loads(done.stdout.splitlines()[-1])

    return edited


@pytest.fixture(scope="module")
def before(keys):
    return keys()


def replaced(package, file, old, new):
    """Replace a text that the file must hold."""
    text = (package / file).read_text()
    assert old in text, f"{file} does not hold {old!r}"
    (package / file).write_text(text.replace(old, new, 1))


def moved(package, old, new):
    """Move a module to another name or folder, with every import of the module."""
    (package / new).parent.mkdir(exist_ok=True)
    (package / old).rename(package / new)
    name, other = Path(old).stem, Path(new).stem
    for file in package.rglob("*.py"):
        text = file.read_text()
        changed = re.sub(rf"^(\s*from [\w.]*\.){name} import", rf"\g<1>{other} import", text, flags=re.M)
        if changed != text:
            file.write_text(changed)


def stale(before, after):
    assert set(before) == set(after)
    return {name for name in before if before[name] != after[name]}


def test_a_renamed_and_a_moved_module_make_nothing_stale(keys, before):
    def rename(package):
        moved(package, "methods/synthcp/cgan/spade.py", "methods/synthcp/cgan/generator_networks.py")
        moved(package, "benchmark/metrics/ranking.py", "benchmark/metrics/rank_metrics.py")
        moved(package, "methods/knn.py", "methods/nearest_neighbours.py")
        replaced(package, "methods/__init__.py", ".knn:KNN", ".nearest_neighbours:KNN")
        # To another folder: all imports of the module stay valid through the folder's own file.
        (package / "methods" / "synthcp" / "alarms").mkdir()
        (package / "methods" / "synthcp" / "alarms" / "__init__.py").write_text("")
        text = (package / "methods" / "synthcp" / "feature_distance.py").read_text()
        target = package / "methods" / "synthcp" / "alarms" / "cosine_distance.py"
        target.write_text(re.sub(r"^from \.", "from ..", text, flags=re.M))
        (package / "methods" / "synthcp" / "feature_distance.py").unlink()
        replaced(
            package,
            "methods/synthcp/method.py",
            "from .feature_distance import",
            "from .alarms.cosine_distance import",
        )

    assert stale(before, keys(rename)) == set()


def test_a_constant_of_the_generator_makes_the_cgan_and_what_depends_on_it_stale(keys, before):
    after = keys(
        lambda package: replaced(package, "methods/synthcp/cgan/spade.py", "HIDDEN = 128", "HIDDEN = 64")
    )
    changed = stale(before, after)
    assert changed == {name for name in before if name == "cgan" or " synthcp " in name}


def test_an_alarm_counts_for_synthcp_only_where_it_is_the_gates(keys, before):
    changed = stale(
        before, keys(lambda package: replaced(package, "methods/knn.py", "BLOCK = 8192", "BLOCK = 4096"))
    )
    assert changed == {
        name for name in before if " knn " in name and (name.split()[1] == "knn" or name.endswith("anomaly"))
    }


def test_the_masking_of_the_ground_truth_makes_everything_stale(keys, before):
    def mask(package):
        replaced(
            package, "benchmark/interfaces/data.py", "np.where(self.valid, self.label, VOID)", "self.label"
        )

    assert stale(before, keys(mask)) == set(before) - {"cgan"}


def test_the_stacking_of_an_ensembles_members_makes_all_records_stale_and_nothing_else(keys, before):
    def stack(package):
        replaced(
            package,
            "benchmark/segmenters/batch_segmentation.py",
            "torch.stack(softmaxes)",
            "torch.stack(softmaxes[::-1])",
        )

    assert stale(before, keys(stack)) == {name for name in before if name.startswith("record ")}


def test_the_metrics_of_one_task_make_the_records_of_that_task_stale(keys, before):
    def metric(package):
        replaced(
            package,
            "benchmark/metrics/quality.py",
            "np.abs(predicted - actual)",
            "np.abs(actual - predicted)",
        )

    changed = stale(before, keys(metric))
    assert changed == {
        name for name in before if name.startswith("record ") and name.endswith("image-failure")
    }


def test_the_code_of_folds_makes_what_is_fitted_out_of_fold_stale(keys, before):
    def split(package):
        file = "benchmark/training/fold_predictions.py"
        replaced(package, file, "kept = [*range(start), *range(end, len(samples))]", "kept = [*range(start)]")

    changed = stale(before, keys(split))
    assert {name for name in before if " direct-prediction " in name or " vae-alarm " in name} <= changed
    assert not {name for name in changed if name.split()[1] == "msp" or name.startswith("segmenter")}


def test_the_batches_that_are_segmented_make_all_records_stale(keys, before):
    def batch(package):
        old = "np.stack([sample.image for sample in samples])"
        replaced(
            package, "benchmark/data/loading.py", old, "np.stack([1 - sample.image for sample in samples])"
        )

    assert {name for name in before if name.startswith("record ")} <= stale(before, keys(batch))


def test_a_synthesizer_that_is_given_to_a_build_counts(keys, before):
    def synthesize(package):
        replaced(
            package, "methods/synthcp/cgan/synthesizer.py", "(images + 1) * 127.5", "(images + 2) * 127.5"
        )

    changed = stale(before, keys(synthesize))
    assert changed == {name for name in before if name == "cgan" or " synthcp " in name}


def test_what_an_error_says_makes_nothing_stale(keys, before):
    def reword(package):
        old = "the label map holds class"
        replaced(package, "methods/synthcp/cgan/synthesizer.py", old, "there is a class")

    assert stale(before, keys(reword)) == set()
