import numpy as np
import pytest
from PIL import Image
from segalarm.benchmark.interfaces import VOID
from segalarm.datasets.cityscapes import Cityscapes

# Transcribed from protocol.md, Table 1.
TRAIN_IDS = {
    7: 0,
    8: 1,
    11: 2,
    12: 3,
    13: 4,
    17: 5,
    19: 6,
    20: 7,
    21: 8,
    22: 9,
    23: 10,
    24: 11,
    25: 12,
    26: 13,
    27: 14,
    28: 15,
    31: 16,
    32: 17,
    33: 18,
}


def write_frame(root, split, image, **labels):
    stem = f"{split}/bonn/bonn_000000_000019"
    files = {root / "leftImg8bit" / f"{stem}_leftImg8bit.png": image}
    for kind, values in labels.items():
        files[root / "gtFine" / f"{stem}_gtFine_{kind}.png"] = values
    for path, pixels in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def test_every_label_id_becomes_the_train_id_of_the_protocol(tmp_path):
    ids = np.tile(np.array([*range(34), 255], np.uint8), (2, 1))
    write_frame(tmp_path, "val", np.zeros((2, 35, 3), np.uint8), labelIds=ids)
    truth = Cityscapes(tmp_path).samples("test")[0].truth
    expected = [TRAIN_IDS.get(value, VOID) for value in [*range(34), 255]]
    assert truth.label[0].tolist() == expected
    np.testing.assert_array_equal(truth.valid[0], np.array(expected) != VOID)
    assert truth.anomaly is None


def test_label_ids_and_train_ids_give_the_same_truth(tmp_path):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 34, (512, 700)).astype(np.uint8)
    train_ids = np.vectorize(lambda value: TRAIN_IDS.get(value, 255))(ids).astype(np.uint8)
    image = np.zeros((512, 700, 3), np.uint8)
    truths = []
    for kind, values in (("labelIds", ids), ("labelTrainIds", train_ids)):
        write_frame(tmp_path / kind, "val", image, **{kind: values})
        write_frame(tmp_path / kind, "train", image, **{kind: values})
        dataset = Cityscapes(tmp_path / kind)
        dataset.prepare()
        truths.append(dataset.samples("test")[0].truth)
    np.testing.assert_array_equal(truths[0].label, truths[1].label)
    np.testing.assert_array_equal(truths[0].valid, truths[1].valid)


def test_both_kinds_of_one_frame_make_one_sample(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    ids = np.full((4, 4), 7, np.uint8)
    write_frame(tmp_path, "val", image, labelIds=ids, labelTrainIds=np.zeros((4, 4), np.uint8))
    assert len(Cityscapes(tmp_path).samples("test")) == 1


def test_a_frame_of_the_release_is_shrunk_to_256_rows(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1024, 2048, 3)).astype(np.uint8)
    ids = np.where(np.arange(2048) < 1024, 7, 11).astype(np.uint8)[None].repeat(1024, 0)
    write_frame(tmp_path, "val", image, labelIds=ids)
    sample = Cityscapes(tmp_path).samples("test")[0]
    assert sample.image.shape == (3, 256, 512)
    assert sample.truth.label.shape == sample.truth.valid.shape == (256, 512)
    assert set(np.unique(sample.truth.label)) == {0, 2}
    expected = np.asarray(Image.fromarray(image).resize((512, 256), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal((sample.image * 255).round().transpose(1, 2, 0), expected)


@pytest.mark.parametrize("rows", [255, 256])
def test_a_frame_of_at_most_256_rows_keeps_its_pixels(rows, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (rows, 40, 3)).astype(np.uint8)
    write_frame(tmp_path, "val", image, labelIds=np.full((rows, 40), 7, np.uint8))
    sample = Cityscapes(tmp_path).samples("test")[0]
    np.testing.assert_allclose(sample.image, image.transpose(2, 0, 1) / 255, atol=1e-7)


def test_the_validation_cities_are_the_test_split(tmp_path):
    dataset = Cityscapes.toy(tmp_path)
    assert {sample.key.partition("/")[0] for sample in dataset.samples("test")} == {"val"}
    assert len(dataset.samples("validation")) == 0
    assert {sample.group for sample in dataset.samples("test")} == {"distelfeld", "eichenburg"}


def test_coarse_or_colour_files_beside_the_labels_are_ignored(tmp_path):
    dataset = Cityscapes.toy(tmp_path)
    before = len(dataset.samples("test"))
    label = dataset.samples("test")[0]._read_truth.args[1]
    for kind in ("color", "instanceIds"):
        label.with_name(label.name.replace("labelIds", kind)).write_bytes(label.read_bytes())
    dataset.prepare()
    assert len(dataset.samples("test")) == before


def test_the_release_needs_a_login_and_says_which_files():
    assert Cityscapes.info.archives == ()
    assert "leftImg8bit_trainvaltest.zip" in Cityscapes.info.source
    assert "gtFine_trainvaltest.zip" in Cityscapes.info.source
