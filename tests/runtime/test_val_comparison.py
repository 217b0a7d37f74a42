"""``yolo-edge val`` with several bundles, engines and precisions, and its charts."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from made_datasets import write_folder

from yolo_edge.bundle import load_bundle, write_manifest
from yolo_edge.engines import select_target
from yolo_edge.val.configurations import configurations

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("val") / "data")


def _renamed(bundle: Path, path: Path, names: list[str]) -> Path:
    """A copy of a bundle with other class names."""
    shutil.copytree(bundle, path)
    manifest = json.loads((path / "bundle.json").read_text())
    manifest["model"]["names"] = names
    write_manifest(path, manifest)
    return path


def test_two_engines_side_by_side(
    yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path
) -> None:
    out, plots = tmp_path / "val.json", tmp_path / "new" / "plots"
    done = yolo_edge(
        *("val", folder, "--model", tiny_bundle, "--engine", "onnxruntime,ncnn", "--threads", 1),
        *("--json", out, "--plots", plots),
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("tiny.edge")]
    assert [row[1:4] for row in rows] == [["onnxruntime", "fp32", "fp32"], ["ncnn", "fp32", "fp32"]]
    assert "1 of 2: model" in done.stderr
    assert "2 of 2: model" in done.stderr
    assert f"wrote comparison_ap.png, comparison_pr_curve.png in {plots}" in done.stderr
    assert sorted(path.name for path in plots.iterdir()) == ["comparison_ap.png", "comparison_pr_curve.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots.iterdir())
    report = json.loads(out.read_text())
    assert list(report) == ["evaluations"]
    first, second = report["evaluations"]
    assert (first["model"]["engine"], second["model"]["engine"]) == ("onnxruntime", "ncnn")
    assert first["ap_difference"] == 0
    assert second["ap_difference"] == second["figures"]["ap"] - first["figures"]["ap"]
    assert first["figures"]["ap"] == pytest.approx(second["figures"]["ap"], abs=0.01)
    assert f"{second['figures']['ap50']:.4f}" == rows[1][5]
    # Each is what a single evaluation writes, and the difference.
    single = yolo_edge("val", folder, "--model", tiny_bundle, "--threads", 1, "--quiet", "--json", "-")
    assert {*json.loads(single.stdout), "ap_difference"} == set(first)


def test_what_cannot_run_is_a_row_with_the_reason(
    yolo_edge: Command, tiny_bundle: Path, folder: Path
) -> None:
    flags = ("--engine", "onnxruntime,ncnn", "--precision", "fp32,bf16", "--json", "-")
    done = yolo_edge("val", folder, "--model", tiny_bundle, *flags)
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout)["evaluations"]
    reason = "engine 'onnxruntime' has no precision 'bf16'; it has: fp32, int8"
    assert [report.get("error") for report in reports] == [None, reason, None, None]
    asked = {"bundle": str(tiny_bundle), "engine": "onnxruntime", "precision": "bf16"}
    assert reports[1]["model"] == asked
    assert [reports[place]["model"]["compute"] for place in (0, 2, 3)] == ["fp32", "fp32", "bf16"]
    assert f"2 of 4: {tiny_bundle}, onnxruntime bf16: not evaluated: {reason}" in done.stderr


def test_nothing_ran(yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path) -> None:
    flags = ("--engine", "onnxruntime,openvino", "--precision", "bf16", "--plots", tmp_path / "plots")
    done = yolo_edge("val", folder, "--model", tiny_bundle, *flags)
    assert done.returncode == 1
    assert done.stdout.count("has no precision 'bf16'") == 2
    assert done.stdout.count("not evaluated  ") == 2
    assert list((tmp_path / "plots").iterdir()) == []


def test_an_image_that_fails(yolo_edge: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    (folder / "images" / "b.png").write_bytes(b"no image")
    done = yolo_edge("val", folder, "--model", tiny_bundle, "--engine", "onnxruntime,ncnn", "--quiet")
    assert done.returncode == 1
    assert "failed images, left out: 1 of 4" in done.stdout


def test_bundles_of_one_name(yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path) -> None:
    models = [shutil.copytree(tiny_bundle, tmp_path / name / "best.edge") for name in ("old", "new")]
    done = yolo_edge("val", folder, "--model", models[0], "--model", models[1], "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split()[0] for line in done.stdout.splitlines() if "onnxruntime" in line or "ncnn" in line]
    assert rows == ["old/best.edge", "new/best.edge"]
    assert "+0.0000" in done.stdout


@pytest.mark.parametrize(
    ("names", "detail"),
    [
        pytest.param(["cat", "horse", "bird"], "class 1 is 'dog' and 'horse'", id="another name"),
        pytest.param(["dog", "cat", "bird"], "class 0 is 'cat' and 'dog'", id="another order"),
    ],
)
def test_bundles_of_other_classes(
    yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path, names: list[str], detail: str
) -> None:
    other = _renamed(tiny_bundle, tmp_path / "other.edge", names)
    done = yolo_edge("val", folder, "--model", tiny_bundle, "--model", other)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"yolo-edge val: error: {tiny_bundle} and {other} have different classes ({detail}); only models of "
        "the same classes in the same order can be compared\n"
    )


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(["--engine", "ncnn,tengine"], "unknown engine 'tengine'", id="engine"),
        pytest.param(["--precision", "fp32,fp8"], "precision is 'fp8'; it must be one of", id="precision"),
        pytest.param(["--engine", "ncnn,"], "unknown engine ''", id="nothing after the comma"),
        pytest.param(["--engine", ""], "unknown engine ''", id="empty engine"),
        pytest.param(["--engine", "all", "--threads", 0], "threads is 0", id="threads"),
        pytest.param(["--engine", "all", "--imgsz", "x"], "'x' is not an image size", id="imgsz"),
        pytest.param(["--confusion-iou", 0], "iou of the confusion matrix is 0.0", id="confusion"),
    ],
)
def test_wrong_usage(
    yolo_edge: Command, tiny_bundle: Path, folder: Path, flags: list[object], text: str
) -> None:
    done = yolo_edge("val", folder, "--model", tiny_bundle, "--quiet", *flags)
    assert done.returncode == 2
    assert text in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("engines", "precisions", "expected"),
    [
        pytest.param(["auto"], ["auto"], ["auto auto"], id="as before"),
        pytest.param(["ncnn"], ["all"], ["ncnn fp32", "ncnn fp16-storage", "ncnn bf16"], id="precisions"),
        pytest.param(["onnxruntime"], ["all"], ["onnxruntime fp32"], id="one precision"),
        pytest.param(["ncnn", "ncnn"], ["fp32", "fp32"], ["ncnn fp32"], id="twice"),
        pytest.param(
            ["onnxruntime", "ncnn"],
            ["fp32", "bf16"],
            ["onnxruntime fp32", "onnxruntime bf16", "ncnn fp32", "ncnn bf16"],
            id="names are all combined",
        ),
    ],
)
def test_combinations(
    tiny_bundle: Path, engines: list[str], precisions: list[str], expected: list[str]
) -> None:
    bundle = load_bundle(tiny_bundle)
    chosen = configurations([bundle], engines, precisions)
    assert [f"{item.engine} {item.precision}" for item in chosen] == expected


def test_all_precisions_of_an_engine_with_int8_weights_alone(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    (target,) = (target for target in bundle.targets if target.engine == "onnxruntime")
    only = dataclasses.replace(
        bundle, targets=(dataclasses.replace(target, weights="int8", compute=("int8",)),)
    )
    chosen = configurations([only], ["onnxruntime"], ["all"])
    assert [f"{item.engine} {item.precision}" for item in chosen] == ["onnxruntime int8"]


def test_all_precisions_compare_weights_in_the_same_arithmetic(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    (ncnn,) = (target for target in bundle.targets if target.engine == "ncnn")
    half = dataclasses.replace(ncnn, weights="fp16")
    (entry,) = (each for each in bundle.manifest["targets"] if each["engine"] == "ncnn")
    manifest = {**bundle.manifest, "targets": [entry, {**entry, "weights": "fp16"}]}
    both = dataclasses.replace(bundle, targets=(ncnn, half), manifest=manifest)
    chosen = configurations([both], ["ncnn"], ["all", "fp32"])
    found = [(item.precision, select_target(item.bundle, "ncnn", item.precision).weights) for item in chosen]
    assert found == [
        ("fp32", "fp32"),
        ("fp32", "fp16"),
        ("fp16-storage", "fp16"),
        ("fp16-storage", "fp32"),
        ("bf16", "fp32"),
        ("bf16", "fp16"),
    ]


def test_all_engines_are_those_of_the_bundle(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    found = [item.engine for item in configurations([bundle], ["openvino", "all"], ["auto"])]
    assert found[0] == "openvino"
    assert sorted(found) == sorted(target.engine for target in bundle.targets)


def test_charts_and_curves_of_one(
    yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path
) -> None:
    out, plots = tmp_path / "val.json", tmp_path / "plots"
    flags = ("--confusion-conf", 0.05, "--confusion-iou", 0.3, "--json", out, "--plots", plots)
    done = yolo_edge("val", folder, "--model", tiny_bundle, *flags)
    assert done.returncode == 0, done.stderr
    assert f"wrote pr_curve.png, f1_curve.png, p_curve.png, r_curve.png, confusion_matrix.png in {plots}" in (
        done.stderr
    )
    for path in plots.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert 20_000 < path.stat().st_size < 500_000
    assert len(list(plots.iterdir())) == 5
    report = json.loads(out.read_text())
    curves, confusion = report["curves"], report["confusion"]
    assert set(curves) == {"iou", "best_f1", "confidence", "recall_level", "mean", "classes"}
    assert len(curves["confidence"]) == len(curves["mean"]["f1"]) == 101
    assert (confusion["conf"], confusion["iou"]) == (0.05, 0.3)
    truths = sum(count for _, true, count in confusion["cells"] if true is not None)
    assert truths == report["figures"]["objects"] == 3
    best = curves["best_f1"]
    said = "no confidence to suggest" if best is None else f"best F1 {best['f1']:.2f} at confidence "
    assert said in done.stdout
    # Lists of numbers are one line each.
    assert max(map(len, out.read_text().splitlines())) > 300


def test_boxes_below_conf_are_not_in_the_matrix(yolo_edge: Command, tiny_bundle: Path, folder: Path) -> None:
    done = yolo_edge("val", folder, "--model", tiny_bundle, "--quiet", "--conf", 0.5, "--json", "-")
    assert json.loads(done.stdout)["confusion"]["conf"] == 0.5


def test_without_matplotlib(yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path) -> None:
    missing = "raise ModuleNotFoundError(\"No module named 'matplotlib'\", name='matplotlib')"
    (tmp_path / "matplotlib.py").write_text(missing)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = yolo_edge("val", folder, "--model", tiny_bundle, "--plots", tmp_path / "plots", PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "yolo-edge val: error: --plots needs the Python package matplotlib, which is not installed: "
        "pip install 'yolo-edge[plot]'\n"
    )
    assert not (tmp_path / "plots").exists()


def test_charts_where_they_cannot_be_written(
    yolo_edge: Command, tiny_bundle: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = yolo_edge("val", folder, "--model", tiny_bundle, "--plots", tmp_path / "file")
    assert (done.returncode, done.stdout) == (1, "")
    assert "file: cannot be made a folder for output: " in done.stderr
