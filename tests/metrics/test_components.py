"""Components of anomalies: hand-worked masks, the definitions spelled out, a data set's threshold."""

import io
from itertools import pairwise

import numpy as np
import pytest
from segalarm.benchmark.metrics import ComponentState, overlaps, summarize
from segalarm.benchmark.metrics import components as rules
from segalarm.benchmark.metrics.streaming import component_state as states
from sklearn.metrics import precision_recall_curve


@pytest.fixture
def any_size(monkeypatch):
    """No component is too small."""
    monkeypatch.setattr(rules, "MIN_TRUE", 0)
    monkeypatch.setattr(rules, "MIN_PREDICTED", 0)


def mask(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def ratios(found):
    return [top / bottom for top, bottom in found.tolist()]


def test_a_true_component_against_one_that_covers_half_of_it_and_as_much_beside(any_size):
    found = overlaps(mask("####....", "####...."), mask("..####..", "..####.."))
    assert found.true.tolist() == [[4, 12]]
    assert found.predicted.tolist() == [[4, 8]]
    # F1: found at 0.25 and 0.30 alone (sIoU 1/3), a false alarm from 0.55 on (PPV 1/2).
    expected = [1.0] * 2 + [0.0] * 9
    assert summarize([found]).f1 == pytest.approx(np.mean(expected))


def test_pixels_of_other_true_components_do_not_count_against_one(any_size):
    """One prediction over two true components, and the gap between them: the plain IoU would be 3/8."""
    found = overlaps(mask("###..###"), mask("########"))
    assert found.true.tolist() == [[3, 5], [3, 5]]
    assert found.predicted.tolist() == [[6, 8]]
    assert summarize([found])[:2] == (pytest.approx(0.6), pytest.approx(0.75))


def test_several_predictions_of_one_true_component_are_taken_together(any_size):
    found = overlaps(mask("########"), mask("###..###"))
    assert found.true.tolist() == [[6, 8]]
    assert found.predicted.tolist() == [[3, 3], [3, 3]]


def test_pixels_that_touch_at_a_corner_are_one_component(any_size):
    assert len(overlaps(mask("#..", ".#.", "..#"), mask("...", "...", "...")).true) == 1


def test_what_is_reached_exactly_is_found(any_size):
    """SIoU 3/5 and PPV 3/5: thresholds are compared as fractions, not as floats."""
    found = overlaps(mask("###.."), mask("#####"))
    counts = [2 * hit / (2 * hit + (1 - hit) + alarm) for hit, alarm in [(1, 0)] * 8 + [(0, 1)] * 3]
    assert summarize([found]).f1 == pytest.approx(np.mean(counts))


def test_small_true_components_are_void_and_small_predicted_ones_never_were(monkeypatch):
    monkeypatch.setattr(rules, "minimum_size", lambda published, shape: {100: 2, 500: 3}[published])
    found = overlaps(mask("####..#..."), mask("###..###.#"))
    # The lone true pixel is void, and so is the part of the prediction that lies on it.
    assert found.true.tolist() == [[3, 4]]
    assert found.predicted.tolist() == [[3, 3], [0, 2]]
    assert overlaps(mask("..#.."), mask(".....")).true.size == 0


def test_the_published_sizes_hold_from_1280_x_720_on_and_shrink_with_smaller_images():
    assert rules.minimum_size(500, (720, 1280)) == 500
    assert rules.minimum_size(100, (1024, 2048)) == 100
    assert rules.minimum_size(500, (360, 640)) == 125


def test_without_true_components_only_precision_is_defined(any_size):
    found = summarize([overlaps(mask("...."), mask("##.."))])
    assert np.isnan([found.siou, found.f1]).all()
    assert found.ppv == 0
    missed = summarize([overlaps(mask("##.."), mask("...."))])
    assert (missed.siou, missed.f1) == (0, 0)
    assert np.isnan(missed.ppv)


def spread(pixels):
    """Components by the definition: pixels within a king's step of each other, transitively."""
    left, found = set(pixels), []
    while left:
        group, edge = set(), [left.pop()]
        while edge:
            row, column = edge.pop()
            group.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(frozenset(group))
    return found


def by_definition(anomaly, flagged):
    """(sIoU of true components, PPV of predicted ones), as sets of pixels."""
    true = spread(map(tuple, np.argwhere(anomaly)))
    predicted = spread(map(tuple, np.argwhere(flagged)))
    siou = []
    for k in true:
        touching = frozenset().union(*(p for p in predicted if p & k))
        others = frozenset().union(*(t for t in true if t is not k)) & touching
        siou.append(len(k & touching) / len((k | touching) - others))
    every = frozenset().union(*true)
    return siou, [len(p & every) / len(p) for p in predicted]


def test_random_masks_agree_with_the_definition(any_size):
    generator = np.random.default_rng(0)
    for share in (0.1, 0.2, 0.3, 0.4):
        anomaly, flagged = generator.random((2, 24, 31)) < share
        found = overlaps(anomaly, flagged)
        siou, ppv = by_definition(anomaly, flagged)
        assert sorted(ratios(found.true)) == pytest.approx(sorted(siou))
        assert sorted(ratios(found.predicted)) == pytest.approx(sorted(ppv))


def images(generator, number, shape=(16, 20)):
    for key in range(number):
        positive = np.zeros(shape, bool)
        positive[4:9, 5:12] = key % 3 > 0
        score = generator.normal(size=shape).astype(np.float32) + 1.5 * positive
        valid = generator.random(shape) < 0.95
        yield str(key), np.where(valid, score, np.nan).astype(np.float32), positive, valid


def f1_curve(truths, scores):
    precision, recall, thresholds = precision_recall_curve(np.concatenate(truths), np.concatenate(scores))
    return 2 * precision * recall / (precision + recall), thresholds


def test_the_threshold_is_that_of_the_best_f1_over_all_pixels():
    state, scores, truths = ComponentState(), [], []
    for key, score, positive, valid in images(np.random.default_rng(1), 9):
        state.update(key, score, positive, valid)
        scores.append(score[valid])
        truths.append(positive[valid])
    report = state.compute()
    f1, thresholds = f1_curve(truths, scores)
    assert report.pixel_f1 <= f1.max() + 1e-12
    assert report.pixel_f1 > f1.max() - 0.01
    assert report.threshold == pytest.approx(thresholds[np.argmax(f1)], abs=0.1)


def test_images_that_come_after_the_thresholds_are_fixed_count_alike(any_size, monkeypatch):
    generator, found = np.random.default_rng(2), []
    monkeypatch.setattr(states, "SEEN", 600)
    state = ComponentState()
    for key, score, positive, valid in images(generator, 8):
        state.update(key, score, positive, valid)
        found.append((score, positive & valid, valid))
    report = state.compute()
    with np.errstate(invalid="ignore"):
        again = [overlaps(truth, valid & (score >= report.threshold)) for score, truth, valid in found]
    assert report.metrics == summarize(again)
    hits = sum((truth & (score >= report.threshold)).sum() for score, truth, _ in found)
    flagged = sum((valid & (score >= report.threshold)).sum() for score, _, valid in found)
    total = sum(truth.sum() for _, truth, _ in found)
    assert report.pixel_f1 == pytest.approx(2 * hits / (flagged + total))


@pytest.mark.parametrize("later", [8.0, -8.0])
def test_later_images_may_score_beyond_those_that_fixed_the_thresholds(monkeypatch, later):
    """Anomalies of later images lie 8 above their normal pixels, and all far from the first images'."""
    monkeypatch.setattr(states, "SEEN", 600)
    generator, state, scores, truths = np.random.default_rng(4), ComponentState(), [], []
    for number in range(20):
        for key, score, positive, valid in images(generator, 3):
            made = score if number == 0 else score / 2 + later + later * (positive == (later > 0))
            state.update(f"{number} {key}", made.astype(np.float32), positive, valid)
            scores.append(made[valid])
            truths.append(positive[valid])
    assert state.compute().pixel_f1 > f1_curve(truths, scores)[0].max() - 0.01


@pytest.mark.parametrize("sign", [1, -1])
def test_any_range_of_scores_is_kept_to_15_bits(sign):
    generator = np.random.default_rng(3)
    score = sign * np.exp(generator.normal(0, 20, (30, 40))).astype(np.float32)
    score[:2, :2] = [[0.0, -0.0], [np.inf, -np.inf]]
    edges = states.candidates(score[:15].ravel(), score[15:].ravel())
    assert len(edges) <= states.LEVELS
    assert all(one < other for one, other in pairwise(edges))
    reached = states._Levels(edges).reached(score)
    np.testing.assert_array_equal(reached, np.searchsorted(edges, score, side="right"))
    assert edges[0] <= score.min()


def test_equal_scores_are_all_or_nothing(any_size):
    state = ComponentState()
    state.update("a", np.full((2, 4), -1.0, np.float32), mask("##..", "...."), np.ones((2, 4), bool))
    report = state.compute()
    assert report.threshold == pytest.approx(-1, abs=1e-4)
    assert report.metrics.true == report.metrics.predicted == 1


def test_a_key_comes_once_and_nothing_anomalous_is_undefined():
    state, empty = ComponentState(), np.zeros((2, 3), bool)
    state.update("a", np.zeros((2, 3), np.float32), empty, ~empty)
    with pytest.raises(ValueError, match="'a'"):
        state.update("a", np.zeros((2, 3), np.float32), empty, ~empty)
    assert np.isnan(state.compute().threshold)
    assert np.isnan(ComponentState().compute().threshold)


def test_maps_are_kept_where_it_is_told_a_byte_and_a_bit_a_pixel(tmp_path, monkeypatch):
    kept = io.BytesIO()
    made = []
    monkeypatch.setattr(states.tempfile, "TemporaryFile", lambda dir: made.append(dir) or kept)
    state = ComponentState(tmp_path)
    for image in images(np.random.default_rng(4), 3):
        state.update(*image)
    state.compute()
    assert made == [tmp_path]
    assert len(kept.getvalue()) == 3 * (16 * 20 + 16 * 20 // 8)
