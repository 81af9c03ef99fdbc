"""Volumes in the Decathlon's layout: read against nibabel and MONAI, split, refused where faulty."""

import ast
import gzip
import importlib.util
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import segalarm
from segalarm.benchmark.data.folders import locate, status, variant_of
from segalarm.benchmark.interfaces.errors import BenchError, DataMissingError
from segalarm.datasets import msd
from segalarm.datasets.formats import decathlon
from segalarm.datasets.formats.decathlon import TASKS
from segalarm.datasets.formats.decathlon_split import cases_of
from segalarm.datasets.formats.nifti import read_segmentation, read_volume
from segalarm.datasets.msd import BrainTumour, Hippocampus, Pancreas, Prostate

DATA = Path(os.environ.get("BENCH_DATA", Path(segalarm.__file__).parent.parent / "shared" / "data"))
READING = decathlon.PANCREAS.reading
SIZE = (20, 18, 10)


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    root = tmp_path_factory.mktemp("toys")
    return {cls: cls.toy(root / cls.__name__) for cls in (Pancreas, Hippocampus, BrainTumour, Prostate)}


@pytest.fixture
def dataset(toys, tmp_path):
    return Pancreas(shutil.copytree(toys[Pancreas].root, tmp_path / "copy"))


def files_of(dataset):
    sample = dataset.samples("test")[0]
    return sample._read_truth.args[:2]


def write(path, values, affine):
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def affine_of(codes, spacing, origin=(11.0, -7.0, 30.0)):
    """The affine of axes that point to `codes`, a letter an axis of the file."""
    turn = nibabel.orientations.axcodes2ornt(codes)
    found = np.eye(4)
    found[:3, :3] = 0
    for axis, (place, sign) in enumerate(turn):
        found[int(place), axis] = sign * spacing[axis]
    found[:3, 3] = origin
    return found


def values_of(codes="RAS", size=SIZE):
    return np.random.default_rng(0).normal(50, 80, size).astype(np.float32)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "SAR", "PIR", "ASL"])
def test_axes_are_turned_whatever_the_file_holds(codes, tmp_path):
    spacing = {"R": 0.8, "L": 0.8, "A": 0.8, "P": 0.8, "S": 2.5, "I": 2.5}
    values = values_of()
    affine = affine_of(codes, [spacing[code] for code in codes])
    path = write(tmp_path / "a.nii.gz", values, affine)
    # nibabel's own canonical form is R, A, S; ours shows a slice from below with the front on top.
    canonical = nibabel.as_closest_canonical(nibabel.load(path)).get_fdata(dtype=np.float32)
    expected = (np.clip(canonical, -96, 215) + 96) / 311
    np.testing.assert_allclose(read_volume(path, READING)[0], expected[::-1, ::-1].T, atol=1e-6)


def test_voxels_are_resampled_as_cells_whose_outer_faces_stay(tmp_path):
    x, y, z = np.indices((16, 18, 12)).astype(np.float32)
    path = write(tmp_path / "a.nii.gz", x + 3 * y + 7 * z, affine_of("LPS", (0.6, 0.6, 5.0)))
    found = read_volume(path, replace(READING, window=(0.0, 1000.0)))[0] * 1000
    assert found.shape == (24, 14, 12)  # 12 x 5 / 2.5, 18 x 0.6 / 0.8, 16 x 0.6 / 0.8
    # Where the centres of the new voxels lie among the old ones; beyond the last centre, its value.
    at = [
        np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        for new, old in zip(found.shape, (12, 18, 16), strict=True)
    ]
    expected = 7 * at[0][:, None, None] + 3 * at[1][None, :, None] + at[2][None, None]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_labels_move_with_their_image(tmp_path):
    label = np.zeros((16, 18, 12), np.uint8)
    label[4:12, 6:12, 3:9] = 2
    affine = affine_of("RAS", (0.6, 0.6, 5.0))
    image = write(tmp_path / "image.nii.gz", np.where(label == 2, 215, -96).astype(np.int16), affine)
    truth = read_segmentation(image, write(tmp_path / "label.nii.gz", label, affine), READING)
    inside = read_volume(image, READING)[0] > 0.5
    assert truth.label.dtype == np.int64
    assert set(np.unique(truth.label)) == {0, 2}
    assert (inside != (truth.label == 2)).mean() < 0.02
    assert truth.valid.all()
    volume = (truth.label == 2).sum() * 2.5 * 0.8 * 0.8
    assert volume == pytest.approx(8 * 6 * 6 * 5 * 0.6 * 0.6, rel=0.15)


def test_ct_is_windowed_and_mr_is_standardised(toys):
    ct = toys[Pancreas].samples("train")[0].image
    assert 0 == ct.min() < ct.max() <= 1
    for kind, channels in ((Hippocampus, 1), (BrainTumour, 4)):
        mr = toys[kind].samples("train")[0].image
        assert mr.shape == (channels, 24, 32, 36)
        np.testing.assert_allclose(mr.mean((1, 2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(mr.std((1, 2, 3)), 1, atol=1e-3)


def test_a_constant_volume_is_zero(tmp_path):
    path = write(tmp_path / "a.nii.gz", np.full(SIZE, 7, np.int16), np.eye(4))
    assert not read_volume(path, decathlon.HIPPOCAMPUS.reading).any()


def test_every_task_of_the_decathlon_has_facts_and_an_archive():
    assert sorted(task.folder[4:6] for task in TASKS) == [f"{number:02d}" for number in range(1, 11)]
    for task in TASKS:
        info = task.info
        assert set(info.scored) <= set(info.classes[1:])
        assert sum(info.splits.values()) == task.cases
        assert len(info.archives[0].md5) == 32
    assert decathlon.PANCREAS.info.splits == {"train": 200, "test": 81}
    assert decathlon.HIPPOCAMPUS.info.splits == {"train": 185, "test": 75}
    assert decathlon.PANCREAS.info.scored == ("tumour",)
    assert decathlon.HIPPOCAMPUS.info.scored == ("posterior",)


def test_archives_are_monais():
    # Read, not imported: MONAI takes ten seconds to import.
    monai = Path(importlib.util.find_spec("monai").origin).parent
    classes = ast.parse((monai / "apps" / "datasets.py").read_text()).body
    decathlons = next(node for node in classes if getattr(node, "name", "") == "DecathlonDataset")
    tables = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in decathlons.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    }
    for task in TASKS:
        assert task.info.archives[0].url == tables["resource"][task.folder]
        assert task.md5 == tables["md5"][task.folder]


def test_the_split_is_the_same_everywhere():
    cases = [f"pancreas_{number:03d}" for number in range(1, 282)]
    train, test = cases_of(cases, "train"), cases_of(reversed(cases), "test")
    assert (len(train), len(test)) == (200, 81)
    assert set(train).isdisjoint(test)
    # Recorded: another seed, or another rule, gives others.
    assert [case[-3:] for case in test[:10]] == [
        "002",
        "003",
        "004",
        "005",
        "006",
        "007",
        "014",
        "021",
        "034",
        "036",
    ]


def test_another_tasks_folder_is_refused(toys):
    with pytest.raises(BenchError, match=r"pancreas_001\.nii\.gz: no file of Task04_Hippocampus"):
        Hippocampus(toys[Pancreas].root).prepare()
    with pytest.raises(DataMissingError, match=r"imagesTr/hippocampus_\*, Task04_Hippocampus/"):
        locate(Hippocampus, toys[Pancreas].root)
    assert locate(Pancreas, toys[Pancreas].root) == toys[Pancreas].root


def header_changed(path, offset, kind, *values):
    """Overwrite a field of the header of a packed file."""
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[offset : offset + struct.calcsize(kind)] = struct.pack(kind, *values)
    path.write_bytes(gzip.compress(bytes(raw)))


def in_micrometres(path):
    loaded = nibabel.load(path)
    write(path, np.asarray(loaded.dataobj), loaded.affine @ np.diag([1000, 1000, 1000, 1]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: header_changed(path, 76 + 4, "<3f", 3.0, 3.0, 3.0),
            "wrong header: its voxels are 3 x 3",
        ),
        (lambda path: header_changed(path, 280, "<4f", 0, 0, 0, 0), "wrong header"),
        (lambda path: header_changed(path, 280, "<f", float("nan")), "wrong header: its affine"),
        (lambda path: header_changed(path, 40, "<8h", 3, 500, 500, 500, 1, 1, 1, 1), "cannot be read"),
        (
            lambda path: header_changed(path, 40, "<8h", 3, *[32767] * 3, 1, 1, 1, 1),
            r"wrong header: its shape is \(32767, 32767, 32767\), beyond the 1,073,741,824 numbers",
        ),
        (in_micrometres, "mm, resampled to 0.8 x 0.8 x 2.5 mm, are beyond .* are the sizes micrometres"),
        (lambda path: header_changed(path, 40, "<8h", 2, 20, 20, 1, 1, 1, 1, 1), "wrong header: its shape"),
        (lambda path: header_changed(path, 70, "<h", 77), "cannot be read as a NIfTI volume"),
        (lambda path: header_changed(path, 344, "4s", b"nope"), "cannot be read as a NIfTI volume"),
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-6]), "cannot be read as a NIfTI volume"),
        (lambda path: path.write_bytes(b"<html>404</html>"), "cannot be read as a NIfTI volume"),
        (lambda path: path.write_bytes(b""), "cannot be read as a NIfTI volume"),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_a_faulty_file_is_named_as_image_and_as_label(damage, message, dataset):
    samples = list(dataset.samples("test"))
    image, _ = samples[0]._read_truth.args[:2]
    damage(image)
    with pytest.raises(BenchError, match=message) as caught:
        _ = samples[0].image
    assert str(image) in str(caught.value)
    other = samples[1]
    _, label = other._read_truth.args[:2]
    damage(label)
    with pytest.raises(BenchError, match=message) as caught:
        _ = other.truth
    assert str(label) in str(caught.value)


def test_a_label_of_another_shape_is_named_with_its_image(dataset):
    image, label = files_of(dataset)
    loaded = nibabel.load(label)
    write(label, np.asarray(loaded.dataobj)[:, :-1], loaded.affine)
    with pytest.raises(BenchError, match=r"the label is \(36, 31, 24\).*is \(36, 32, 24\)") as caught:
        _ = dataset.samples("test")[0].truth
    assert str(label) in str(caught.value)
    assert str(image) in str(caught.value)


def test_a_label_that_lies_elsewhere_is_named(dataset):
    _, label = files_of(dataset)
    loaded = nibabel.load(label)
    moved = loaded.affine.copy()
    moved[0, 3] += 4
    write(label, np.asarray(loaded.dataobj), moved)
    with pytest.raises(BenchError, match=r"wrong header: its voxels lie up to 4 mm from those of"):
        _ = dataset.samples("test")[0].truth


def test_a_volume_that_memory_does_not_hold_is_named_with_the_way_out(dataset, monkeypatch):
    def exhausted(*args, **options):
        raise MemoryError("Unable to allocate 9 GiB")

    path, _ = files_of(dataset)
    loaded = nibabel.load(path)
    write(path, np.asarray(loaded.dataobj), loaded.affine @ np.diag([2, 2, 2, 1]))
    monkeypatch.setattr("scipy.ndimage.zoom", exhausted)
    with pytest.raises(BenchError, match=r"does not hold the volume .*9 GiB.* larger voxels") as caught:
        _ = dataset.samples("test")[0].image
    assert str(path) in str(caught.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1, 0.5], ids=["as stored", "resampled"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "label value 3 .*0-2"),
        (0.5, "holds 0.5, which is no"),
        (np.inf, "holds inf, which is no"),
        (np.nan, "holds nan, which is no"),
    ],
)
def test_an_unknown_label_value_is_named(value, message, scale, dataset):
    """Halved, a volume keeps one voxel of eight: the wrong one is none of them."""
    for path, wrong in zip(files_of(dataset), (False, True), strict=True):
        loaded = nibabel.load(path)
        values = np.asarray(loaded.dataobj).astype(np.float32)
        values[0, 0, 0] = value if wrong else values[0, 0, 0]
        write(path, values, loaded.affine @ np.diag([scale, scale, scale, 1]))
    with pytest.raises(BenchError, match=message) as caught:
        _ = dataset.samples("test")[0].truth
    assert str(path) in str(caught.value)


def test_labels_stored_as_floats_are_classes(dataset):
    _, label = files_of(dataset)
    before = dataset.samples("test")[0].truth.label
    loaded = nibabel.load(label)
    write(label, np.asarray(loaded.dataobj).astype(np.float32), loaded.affine)
    np.testing.assert_array_equal(dataset.samples("test")[0].truth.label, before)


def test_an_image_that_holds_nan_or_other_channels_is_named(dataset):
    image, _ = files_of(dataset)
    loaded = nibabel.load(image)
    values = np.asarray(loaded.dataobj).astype(np.float32)
    write(image, np.stack([values, values], axis=-1), loaded.affine)
    with pytest.raises(BenchError, match="has 2 channels, but the data set's images have 1"):
        _ = dataset.samples("test")[0].image
    values[1, 2, 3] = np.nan
    write(image, values, loaded.affine)
    with pytest.raises(BenchError, match="no finite number"):
        _ = dataset.samples("test")[0].image


def test_files_that_a_mac_left_are_no_cases(dataset):
    before = len(dataset.samples("test"))
    for folder in ("imagesTr", "labelsTr"):
        (dataset.root / folder / "._pancreas_001.nii.gz").write_bytes(b"made by a Mac")
    dataset.prepare()
    assert len(dataset.samples("test")) == before


def test_a_folder_that_is_not_the_release_needs_a_name(dataset):
    with pytest.raises(BenchError, match="--variant"):
        variant_of(dataset, {})


def test_every_real_hippocampus_is_read():
    try:
        dataset = Hippocampus(locate(Hippocampus, DATA))
    except BenchError as error:
        pytest.skip(f"the real hippocampi are not on this machine: {error}")
    dataset.prepare()
    assert variant_of(dataset, {}) is None
    assert [split.found for split in status(dataset)] == [185, 75]
    for split in ("train", "test"):
        for sample in dataset.samples(split):
            image, label = sample.image, sample.truth.label
            assert image.shape == (1, *label.shape)
            assert set(np.unique(label)) == {0, 1, 2}
            # Some volumes reach 1e6 and some 255: standardised, none has another scale.
            assert abs(image.std() - 1) < 1e-3
            # The anterior part lies before the posterior one, and rows run from front to back.
            rows = [np.argwhere(label == part)[:, 1].mean() for part in (1, 2)]
            assert rows[0] < rows[1]
            stored = nibabel.load(sample._read_truth.args[1])
            assert label.shape == stored.shape[::-1]
            counts = np.bincount(np.asarray(stored.dataobj).astype(int).ravel(), minlength=3)
            np.testing.assert_array_equal(np.bincount(label.ravel(), minlength=3), counts)


def test_a_data_set_of_ones_own_is_one_more_subclass(tmp_path):
    task = replace(decathlon.PANCREAS, name="kidney", folder="Task99_Kidney", prefix="kidney_", cases=10)
    kind = type("Kidney", (msd.MSD,), {"task": task, "info": task.info, "marker": task.marker})
    dataset = kind.toy(tmp_path / "Task99_Kidney")
    assert locate(kind, tmp_path) == locate(kind, dataset.root) == dataset.root
    dataset.prepare()
    assert variant_of(dataset, {}) is None
    assert dataset.samples("test")[0].key.startswith("kidney_")


def test_volumes_have_a_light_segmenter_of_their_own():
    from segalarm.datasets.pancreas_mini import PancreasMini

    assert PancreasMini.info.light == Hippocampus.info.light == ("unet3d",)
