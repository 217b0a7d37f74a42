"""Best possible recall, evolution of anchors, and ``yolo-train anchors``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from painted import labelled

from yolo_export.checkpoint import read_checkpoint
from yolo_train.anchors import (
    anchor_fitness,
    best_possible_recall,
    evolve_anchors,
    fit_anchors,
    object_sizes,
)

COCO = [[(10, 13), (16, 30), (33, 23)], [(30, 61), (62, 45), (59, 119)], [(116, 90), (156, 198), (373, 326)]]


def by_hand(sizes, anchors, threshold):
    """Recall, matching anchors an object, and fit, with loops."""
    found, matches, fit = 0, 0, 0.0
    for width, height in sizes:
        worst = [max(width / w, w / width, height / h, h / height) for w, h in anchors]
        above = [ratio < threshold for ratio in worst]
        found += any(above)
        matches += sum(above)
        fit += 1 / min(worst) if any(above) else 0
    return found / len(sizes), matches / len(sizes), fit / len(sizes)


@pytest.mark.parametrize("threshold", [1.5, 4.0])
def test_figures_equal_loops(threshold, monkeypatch):
    monkeypatch.setattr("yolo_train.anchors.recall._CHUNK", 30)
    random = np.random.default_rng(0)
    sizes, anchors = np.exp(random.uniform(0, 6, (100, 2))), np.exp(random.uniform(1, 6, (9, 2)))
    recall, matches, fit = by_hand(sizes, anchors, threshold)
    assert best_possible_recall(sizes, anchors, threshold) == pytest.approx((recall, matches))
    assert anchor_fitness(sizes, anchors, threshold) == pytest.approx(fit)
    assert 0 < recall < 1


@pytest.mark.parametrize(
    ("sizes", "anchors", "message"),
    [
        pytest.param(np.empty((0, 2)), [[1, 1]], "sizes of objects have shape", id="no objects"),
        pytest.param([[1, 1]], [], "sizes of anchors have shape", id="no anchors"),
        pytest.param([[1, 2, 3]], [[1, 1]], "sizes of objects have shape", id="three columns"),
        pytest.param([[0, 1]], [[1, 1]], "sizes of objects must be positive", id="zero"),
        pytest.param([[1, 1]], [[1, np.nan]], "sizes of anchors must be positive", id="not a number"),
    ],
)
def test_bad_sizes_are_refused(sizes, anchors, message):
    with pytest.raises(ValueError, match=message):
        best_possible_recall(sizes, anchors)


def test_clusters_are_found_and_sorted_by_area():
    random = np.random.default_rng(0)
    centers = np.array([[8, 12], [30, 20], [40, 90], [200, 150]], float)
    sizes = np.concatenate([center * random.uniform(0.95, 1.05, (50, 2)) for center in centers])
    anchors = evolve_anchors(sizes, 4, seed=0)
    np.testing.assert_allclose(anchors, centers, rtol=0.05)


def test_a_seed_gives_the_same_anchors_and_evolution_betters_them():
    sizes = np.exp(np.random.default_rng(1).uniform(1, 6, (400, 2)))
    clustered = evolve_anchors(sizes, 9, generations=0, seed=4)
    evolved = evolve_anchors(sizes, 9, generations=300, seed=4)
    assert np.array_equal(evolved, evolve_anchors(sizes, 9, generations=300, seed=4))
    assert anchor_fitness(sizes, evolved) > anchor_fitness(sizes, clustered) + 0.005


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        pytest.param([[20, 30]], 9, id="one object"),
        pytest.param([[20, 30]] * 50, 9, id="one size"),
        pytest.param([[20, 30], [50, 60]] * 5, 9, id="two sizes"),
        pytest.param([[0.5, 0.5]] * 5, 3, id="smaller than any anchor"),
    ],
)
def test_fewer_sizes_than_anchors_give_all_anchors(sizes, count):
    anchors = evolve_anchors(sizes, count, generations=20)
    assert anchors.shape == (count, 2)
    assert (anchors >= 2).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"count": 0}, "count is 0", id="no anchors"),
        pytest.param({"count": 1, "generations": -1}, "generations is -1", id="negative generations"),
        pytest.param({"count": 1, "threshold": 1.0}, "threshold is 1.0; it must be above 1", id="threshold"),
    ],
)
def test_bad_searches_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        evolve_anchors([[1, 1]], **changed)


def samples_of(sizes_px, image_hw=(480, 640)):
    """An image for each object."""
    height, width = image_hw
    return [labelled(Path("x.jpg"), image_hw, [[0, 0, w / width, h / height]], [0]) for w, h in sizes_px]


def test_object_sizes_are_in_pixels_of_the_network():
    np.testing.assert_allclose(object_sizes(samples_of([(64, 48)]), 320), [[32, 24]])
    np.testing.assert_allclose(object_sizes(samples_of([(30, 64)], (640, 320)), 640), [[30, 64]])
    assert object_sizes([labelled(Path("x.jpg"), (9, 9), [], [])], 320).shape == (0, 2)
    with pytest.raises(ValueError, match=r"x\.jpg: size_hw is not known"):
        object_sizes([labelled(Path("x.jpg"), None, [], [])], 320)


def test_anchors_that_fit_are_kept():
    fit = fit_anchors(samples_of([(12, 14), (60, 50), (300, 300)]), COCO, 640, strides=(8, 16, 32))
    assert not fit.changed
    assert [list(head) for head in fit.anchors_px] == COCO
    assert fit.recall == fit.given_recall == 1.0


@pytest.mark.parametrize(
    ("strides", "heads"),
    [
        pytest.param((8, 16, 32), COCO, id="small strides first"),
        pytest.param((32, 16, 8), COCO[::-1], id="large strides first"),
        pytest.param((16, 8), [COCO[1], COCO[0][:1]], id="heads of different lengths"),
    ],
)
def test_anchors_that_do_not_fit_are_replaced_and_sorted_to_strides(strides, heads):
    random = np.random.default_rng(0)
    sizes = random.uniform(3, 9, (150, 2)) * random.choice([[1, 1], [1, 6], [8, 1]], 150)
    fit = fit_anchors(samples_of(sizes), heads, 640, strides=strides, generations=100)
    assert fit.changed
    assert fit.recall > fit.given_recall
    assert [len(head) for head in fit.anchors_px] == [len(head) for head in heads]
    in_order = [pair for _, head in sorted(zip(strides, fit.anchors_px)) for pair in head]
    areas = [w * h for w, h in in_order]
    assert areas == sorted(areas)
    recall, matches = best_possible_recall(object_sizes(samples_of(sizes), 640), in_order)
    assert (recall, matches) == (fit.recall, fit.matches)


def test_the_given_anchors_stay_where_none_better_are_found():
    # One huge ratio that a single anchor cannot serve beside the many that it serves already.
    sizes = [(50, 50)] * 20 + [(4, 470)]
    fit = fit_anchors(samples_of(sizes), [[(50, 50)]], 640, strides=(8,))
    assert fit.given_recall == pytest.approx(20 / 21)
    assert not fit.changed
    assert fit.anchors_px == (((50.0, 50.0),),)


def test_fitting_needs_objects_and_a_stride_for_each_head():
    with pytest.raises(ValueError, match="no objects are marked in the 0 images"):
        fit_anchors([], COCO, 640, strides=(8, 16, 32))
    with pytest.raises(ValueError, match="each head must have its own"):
        fit_anchors(samples_of([(5, 5)]), COCO, 640, strides=(8, 16))


# The command


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    from made_datasets import write_image

    folder = tmp_path_factory.mktemp("anchors")
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 2)):
        (folder / "labels" / split).mkdir(parents=True)
        for number in range(count):
            write_image(folder / "images" / split / f"{number}.png", (96, 128), seed=number)
            boxes = random.uniform([0.4, 0.4, 0.008, 0.3], [0.6, 0.6, 0.016, 0.5], (4, 4))
            rows = [f"{number % 2} " + " ".join(f"{value:.5f}" for value in box) for box in boxes]
            (folder / "labels" / split / f"{number}.txt").write_text("\n".join(rows) + "\n")
    path = folder / "data.yaml"
    path.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames: [a, b]\n")
    return path


def yolo_train(*words) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "yolo_train.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_reports_and_finds_anchors(dataset, tmp_path):
    out = tmp_path / "anchors.json"
    done = yolo_train("anchors", dataset, "--imgsz", 320, "--generations", 50, "--json", out)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert (report["images"], report["objects"], report["imgsz"]) == (12, 48, 320)
    assert report["given"]["recall"] < 0.9 < report["found"]["recall"]
    assert [len(head) for head in report["found"]["anchors_px"]] == [3, 3, 3]
    assert f"{report['found']['recall']:.4f}" in done.stdout
    lines = done.stdout.splitlines()
    first = lines[lines.index("anchors:") + 1]
    pairs = [side for pair in report["found"]["anchors_px"][0] for side in pair]
    assert first == "  - [" + ", ".join(f"{side:g}" for side in pairs) + "]"


def test_the_command_looks_at_the_anchors_of_a_checkpoint(dataset, tiny_checkpoint):
    done = yolo_train("anchors", dataset, "--weights", tiny_checkpoint, "--generations", 5, "--json", "-")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    given = [tuple(pair) for head in report["given"]["anchors_px"] for pair in head]
    assert report["network"] == tiny_checkpoint.name
    assert given == [pair for head in read_checkpoint(tiny_checkpoint).anchors_px for pair in head]


def test_the_command_finds_as_many_as_asked(dataset):
    done = yolo_train("anchors", dataset, "--count", 4, "--generations", 5, "--json", "-")
    report = json.loads(done.stdout)
    assert [len(head) for head in report["found"]["anchors_px"]] == [4]
    done = yolo_train("anchors", dataset, "--count", 6, "--generations", 5, "--json", "-")
    assert [len(head) for head in json.loads(done.stdout)["found"]["anchors_px"]] == [2, 2, 2]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(["--imgsz", 0], 2, "--imgsz is 0; it must be a positive number", id="size"),
        pytest.param(["--anchor-t", 1], 2, "--anchor-t is 1; it must be above 1", id="ratio"),
        pytest.param(["--count", 0], 2, "--count is 0; it must be at least 1", id="count"),
        pytest.param(["--weights", "no.pt"], 1, "no.pt", id="no checkpoint"),
        pytest.param(["--weights", "a.pt", "--cfg", "v5lite-e"], 2, "not allowed with argument", id="both"),
        pytest.param(["--cfg", "nothing"], 2, "there is no network 'nothing'", id="unknown network"),
        pytest.param(["--cfg", "yolov5s-p2"], 2, "lists no anchors in px; say with --count N", id="unlisted"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(dataset, words, code, message):
    done = yolo_train("anchors", dataset, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
