"""Checkpoints of the reference implementation give what it gives, through `bench import-checkpoint`."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from segalarm.benchmark.foreign_checkpoints.conversion import convert
from segalarm.benchmark.foreign_checkpoints.reference_networks import LAYOUTS
from segalarm.benchmark.interfaces.errors import BenchError, UnknownNameError
from segalarm.benchmark.plugins.registry import load_registry
from segalarm.benchmark.segmenters.mmsegmentation.construction.blueprint import read_blueprint
from segalarm.benchmark.segmenters.mmsegmentation.construction.network_building import build_network
from segalarm.benchmark.segmenters.mmsegmentation.inference import Inference
from segalarm.benchmark.segmenters.mmsegmentation.paper_networks import DeepLab, FCN8s, PSPNet
from segalarm.methods.synthcp.cgan.spade import Generator
from segalarm.methods.synthcp.comparison.comparison_config import ComparisonConfig
from segalarm.methods.synthcp.comparison.comparison_network import ComparisonNetwork
from segalarm.methods.tcp import ConfidenceBranch
from segalarm.tests.support.reference import filled, needs_reference, shapes, vectors

PSPNET = ("pspnet_encoder_resnet50dilated", "pspnet_decoder_ppm_deepsup")


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A function that fills a network of the reference by its rule, saves it, and imports the file."""

    def of(name, recorded, classes=None, upsampling=None):
        folder = tmp_path_factory.mktemp(name)
        files = []
        for network in recorded:
            files.append(folder / f"{network}.pth")
            torch.save(filled(shapes(network)), files[-1])
        out = folder / f"{name}.safetensors"
        written = convert(name, files, classes, out, load_registry(), upsampling)
        for file in files:
            file.unlink()
        return [load_file(file) for file, _ in written]

    return of


def assert_recorded(found, recorded):
    """Equal to rtol 1e-3 and atol 1e-5, or to some sixteen float32 steps of the largest value.

    DeepLab's recorded logits reach 25,000: near 0 they differ by more than 1e-5 from those of a float64 run.
    """
    steps = 16 * torch.finfo(torch.float32).eps * float(recorded.abs().max())
    torch.testing.assert_close(found, recorded, rtol=1e-3, atol=max(1e-5, steps))


class Identity(torch.nn.Module):
    """In place of the normalisation: the recorded images are what the networks see."""

    def forward(self, images):
        return images


def runner(kind, state, classes):
    network = build_network(read_blueprint(kind.architecture["config"], classes))
    network.load_state_dict(state)
    return Inference(network.eval(), Identity(), classes, 1, False, kind.decoder)


@needs_reference
@pytest.mark.parametrize("upsampling", ["more", "normal"])
def test_an_imported_generator_synthesizes_what_was_recorded(imported, upsampling):
    name = f"spade_generator_{upsampling}_upsampling"
    classes = 19 if upsampling == "more" else 13
    (state,) = imported("spade-generator", [name], classes, upsampling)
    network = Generator(classes, 8, (64, 128), upsampling).eval()
    network.load_state_dict(state)
    recorded = vectors(name)
    label = F.one_hot(recorded["label"].long().clamp(max=classes), classes + 1)[..., :classes]
    with torch.no_grad():
        found = network(label.movedim(-1, 1).float())
    assert_recorded(found, recorded["output"])


@needs_reference
@pytest.mark.parametrize(
    ("name", "recorded_as"),
    [("synthcp-comparison", "synthcp_comparison"), ("direct-prediction", "direct_prediction")],
)
def test_an_imported_comparison_network_answers_what_was_recorded(imported, name, recorded_as):
    (state,) = imported(name, [recorded_as])
    recorded = vectors(recorded_as)
    other = recorded["synthesized"] if name == "synthcp-comparison" else None
    network = ComparisonNetwork(19, ComparisonConfig(pretrained=False), other is not None).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        iou, logit = network(recorded["logits"].softmax(1), recorded["image"], other)
    assert_recorded(iou, recorded["iou"])
    assert_recorded(logit.sigmoid()[:, None], recorded["confidence"])


@needs_reference
@pytest.mark.parametrize("kind", [FCN8s, DeepLab])
def test_an_imported_segmenter_and_its_confidence_branch_answer_what_was_recorded(imported, kind):
    recorded = vectors(f"tcp_{kind.name}")
    state, branch_state = imported(f"tcp-{kind.name}", [f"tcp_{kind.name}"])
    run = runner(kind, state, 19)
    size = tuple(recorded["image"].shape[2:])
    with torch.no_grad():
        _, features = run.logits(recorded["image"], size, set(kind.branch))
        logits = run.network.decode_head(run.network.extract_feat(recorded["image"]))
        maps = [features[layer] for layer in kind.branch]
        branch = ConfidenceBranch([each.shape[1] for each in maps]).eval()
        branch.load_state_dict(branch_state)
        confidence = branch(maps, tuple(recorded["confidence"].shape[2:]))
    assert_recorded(logits, recorded["logits"])
    assert_recorded(confidence, recorded["confidence"])


@needs_reference
@pytest.mark.parametrize("kind", [FCN8s, DeepLab])
def test_an_imported_segmenter_answers_what_was_recorded(imported, kind):
    (state,) = imported(kind.name, [kind.name])
    recorded = vectors(kind.name)
    network = runner(kind, state, 19).network
    with torch.no_grad():
        logits = network.decode_head(network.extract_feat(recorded["image"]))
    assert_recorded(logits, recorded["logits"])


@needs_reference
def test_an_imported_pspnet_gives_the_recorded_probabilities_and_pyramid(imported):
    (state,) = imported("pspnet", PSPNET)
    recorded = vectors("pspnet")
    with torch.no_grad():
        run = runner(PSPNet, state, 13)
        logits, features = run.logits(recorded["image"], tuple(recorded["image"].shape[2:]), {"decoder"})
    assert_recorded(logits.softmax(1), recorded["probabilities"])
    assert_recorded(features["decoder"], recorded["features"])


@needs_reference
@pytest.mark.parametrize(
    ("name", "recorded_as", "classes", "upsampling"),
    [
        ("spade-generator", "spade_generator_19classes_ngf64", 19, "more"),
        ("spade-generator", "spade_generator_13classes_ngf64", 13, "more"),
        ("spade-discriminator", "spade_discriminator_cityscapes", 19, None),
    ],
)
def test_spade_is_imported_at_its_full_width(tmp_path, name, recorded_as, classes, upsampling):
    wanted = shapes(recorded_as)
    torch.save({key: torch.zeros(shape) for key, shape in wanted.items()}, tmp_path / "theirs.pth")
    out = tmp_path / "ours.safetensors"
    convert(name, [tmp_path / "theirs.pth"], classes, out, load_registry(), upsampling)
    assert {key: tuple(value.shape) for key, value in load_file(out).items()} == wanted


def test_another_network_has_no_upsampling(tmp_path):
    torch.save(small("direct-prediction"), tmp_path / "theirs.pth")
    out = tmp_path / "ours.safetensors"
    with pytest.raises(BenchError, match="--upsampling more is for spade-generator alone"):
        convert("direct-prediction", [tmp_path / "theirs.pth"], 5, out, load_registry(), "more")


def small(name, classes=5):
    """Zeros of the keys and shapes of a network with few weights, as the reference names them."""
    part = LAYOUTS[name].parts[0]
    return {part.theirs(key)[1]: value for key, value in part.network(classes, {}).state_dict().items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("siamese.layer1.0.conv1.weight"),
            r"lacks siamese\.layer1\.0\.conv1\.weight",
        ),
        (lambda state: state.update(more=torch.zeros(1)), "has unknown more"),
        (
            lambda state: state.update({"conf.bias": torch.zeros(2, 2)}),
            r"conf\.bias: got \(2, 2\), wanted \(1,\)",
        ),
    ],
    ids=["missing", "extra", "misshapen"],
)
def test_what_does_not_fit_is_named_by_its_key_and_file(tmp_path, change, message):
    state = small("direct-prediction")
    change(state)
    torch.save(state, tmp_path / "theirs.pth")
    with pytest.raises(BenchError, match=f"theirs.pth.*{message}"):
        convert(
            "direct-prediction", [tmp_path / "theirs.pth"], 5, tmp_path / "ours.safetensors", load_registry()
        )
    assert not (tmp_path / "ours.safetensors").exists()


@needs_reference
@pytest.mark.parametrize("name", ["fcn8s", "deeplab", "tcp_fcn8s", "tcp_deeplab"])
def test_keys_of_a_segmenter_are_named_as_the_reference_names_them(name):
    wanted = shapes(name)
    wanted.pop("upscore2.w", None)
    found = {}
    for part in LAYOUTS[name.replace("_", "-")].parts:
        own = part.network(19, {}).state_dict()
        found.update({part.theirs(key)[1]: tuple(value.shape) for key, value in own.items()})
    assert found == wanted


def test_pspnets_150_outputs_are_cut_to_the_classes_and_others_refused(tmp_path):
    part = LAYOUTS["pspnet"].parts[0]
    files = [tmp_path / "encoder.pth", tmp_path / "decoder.pth"]
    for outputs in (150, 14):
        states = [{}, {}]
        for key, value in part.network(outputs, {}).state_dict().items():
            number, theirs = part.theirs(key)
            states[number][theirs] = value
        states[0]["bn1._running_iter"] = torch.zeros(1)
        for file, state in zip(files, states, strict=True):
            torch.save({f"module.{key}": value for key, value in state.items()}, file)
        if outputs == 150:
            written = convert("pspnet", files, None, tmp_path / "p.safetensors", load_registry())
            ours = load_file(written[0][0])
            wide = states[1]["conv_last.4.weight"]
            assert torch.equal(ours["decode_head.conv_seg.weight"], wide[:13])
        else:
            with pytest.raises(BenchError, match=r"decoder.pth.*classes differs: got 14, wanted 13"):
                convert("pspnet", files, None, tmp_path / "p.safetensors", load_registry())


def test_a_network_of_mmsegmentation_is_imported_by_its_config(tmp_path):
    config = "ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024"
    state = build_network(read_blueprint(config, 7)).state_dict()
    torch.save({"state_dict": {**state, "data_preprocessor.mean": torch.zeros(3)}}, tmp_path / "d.pth")
    out = tmp_path / "d.safetensors"
    ((_, option),) = convert(config, [tmp_path / "d.pth"], None, out, load_registry())
    assert load_file(out).keys() == state.keys()
    assert option == f"--segmenter {config} --checkpoint {out}"


def test_an_unknown_network_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(UnknownNameError, match=r"fcn8.*Did you mean.*fcn8s"):
        convert("fcn8", [tmp_path / "a"], None, tmp_path / "b.safetensors", load_registry())
    with pytest.raises(
        BenchError, match=r"pspnet is read from 2 file\(s\), the encoder's, then the decoder's; got 1"
    ):
        convert("pspnet", [tmp_path / "a"], None, tmp_path / "b.safetensors", load_registry())
    with pytest.raises(BenchError, match=r"a\.pth does not exist"):
        convert("fcn8s", [tmp_path / "a.pth"], None, tmp_path / "b.safetensors", load_registry())
