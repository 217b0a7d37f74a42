from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints import write_checkpoint, yolov5, yolov5_lite

from yolo_edge.bundle import load_bundle

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("lite") / "best.pt", yolov5_lite())


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("other") / "best.pt", yolov5())


@pytest.fixture(scope="module")
def exported(yolo_export: Command, lite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of `lite` for onnxruntime; tests take a copy."""
    place = tmp_path_factory.mktemp("exported") / "best.edge"
    done = yolo_export("--to", "onnx", lite, "--imgsz", "96x128", "--out", place)
    assert done.returncode == 0, done.stderr
    return place


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_from_checkpoint_to_boxes(
    yolo_export: Command, yolo_edge: Command, lite: Path, scenes: Path, tmp_path: Path
) -> None:
    done = yolo_export("--to", "onnx", lite, "--imgsz", 128, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime  fp32" in done.stdout
    assert done.stdout.endswith("wrote best.edge\n")
    assert "verifying onnxruntime fp32 ... " in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.edge"]
    done = yolo_edge("run", scenes, "--jsonl", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sum(len(json.loads(line)["detections"]) for line in done.stdout.splitlines()) > 5


def test_another_target_joins_and_the_size_stays(
    yolo_export: Command, lite: Path, exported: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(exported, tmp_path / "model.edge")
    before = _content(place)
    assert yolo_export("--to", "ncnn", lite, "--out", place).returncode == 0
    bundle = load_bundle(place)
    assert [target.engine for target in bundle.targets] == ["onnxruntime", "ncnn"]
    assert [row["engine"] for row in bundle.verification] == ["onnxruntime", "ncnn"]
    assert bundle.input.size_hw == (96, 128)
    assert _content(place)["model.onnx"] == before["model.onnx"]
    assert {"torch", "onnx", "pnnx"} <= set(bundle.provenance["versions"])


def test_the_same_export_gives_the_same_bytes(yolo_export: Command, lite: Path, tmp_path: Path) -> None:
    for name in ("a.edge", "b.edge"):
        done = yolo_export("--to", "onnx,ncnn", lite, "--imgsz", 128, "--out", tmp_path / name, "--quiet")
        assert done.returncode == 0, done.stderr
    first, second = _content(tmp_path / "a.edge"), _content(tmp_path / "b.edge")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_bundle_of_another_checkpoint_is_kept(
    yolo_export: Command, other: Path, exported: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(exported, tmp_path / "best.edge")
    before = _content(place)
    done = yolo_export("--to", "onnx", other, "--out", place)
    assert done.returncode == 1
    assert "was made from another checkpoint" in done.stderr
    assert "--force replaces it" in done.stderr
    assert _content(place) == before
    assert yolo_export("--to", "ncnn", other, "--out", place, "--force").returncode == 0
    assert [target.engine for target in load_bundle(place).targets] == ["ncnn"]
    assert [path.name for path in tmp_path.iterdir()] == ["best.edge"]


def test_a_damaged_bundle_is_not_extended(
    yolo_export: Command, lite: Path, exported: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(exported, tmp_path / "best.edge")
    (place / "model.onnx").write_bytes(b"damaged")
    done = yolo_export("--to", "ncnn", lite, "--out", place)
    assert done.returncode == 1
    assert "cannot extend the bundle that is there" in done.stderr
    assert yolo_export("--to", "onnx", lite, "--out", place, "--force").returncode == 0
    assert load_bundle(place).targets


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "forced"])
def test_what_is_not_a_bundle_is_never_replaced(
    yolo_export: Command, lite: Path, tmp_path: Path, force: list[str]
) -> None:
    place = tmp_path / "photos.edge"
    place.mkdir()
    (place / "holiday.jpg").write_bytes(b"dear")
    done = yolo_export("--to", "onnx", lite, "--out", place, *force)
    assert done.returncode == 1
    assert "exists and is not a bundle; it is left alone" in done.stderr
    assert _content(place) == {"holiday.jpg": b"dear"}


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        pytest.param(
            ["--to", "tflite"],
            2,
            "unknown target 'tflite'; known targets: mnn, ncnn, onnx, openvino",
            id="target",
        ),
        pytest.param(["--to", ","], 2, "no target was given", id="no target"),
        pytest.param(["--imgsz", "100"], 2, "stride 32; the nearest that are: 96, 128", id="imgsz"),
        pytest.param(["--opset", "5"], 2, "opset is 5; allowed: 13 to", id="opset"),
        pytest.param(["--out", "somewhere"], 2, "it must be NAME.edge or an existing folder", id="out"),
        pytest.param(["--out", "/proc/best.edge"], 1, "/proc: cannot be written", id="unwritable"),
    ],
)
def test_wrong_usage(
    yolo_export: Command, lite: Path, tmp_path: Path, flags: list[str], code: int, text: str
) -> None:
    done = yolo_export(lite, *flags, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        pytest.param(lambda data: b"", "empty", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], "", id="cut off"),
        pytest.param(lambda data: b"not a checkpoint at all", "", id="text"),
        pytest.param(None, "no such file", id="missing"),
    ],
)
def test_a_bad_checkpoint_is_one_line(
    yolo_export: Command,
    lite: Path,
    tmp_path: Path,
    damage: Callable[[bytes], bytes] | None,
    text: str,
) -> None:
    bad = tmp_path / "bad.pt"
    if damage:
        bad.write_bytes(damage(lite.read_bytes()))
    done = yolo_export(bad, cwd=tmp_path)
    assert done.returncode == 1
    error = [line for line in done.stderr.splitlines() if line.startswith("yolo-export: error:")]
    assert len(error) == 1
    assert str(bad) in error[0]
    assert text.lower() in error[0].lower()
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bad.edge").exists()


def test_a_target_that_computes_something_else_is_refused(
    lite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from yolo_export import ExportError, export_bundle, lower

    place = tmp_path / "best.edge"
    export_bundle(lite, ["onnx"], out=place, size_hw=(128, 128))
    before = _content(place)
    real = lower.lower

    def wrong(network: torch.nn.Module, form: str) -> torch.nn.Module:
        lowered = real(network, form)
        with torch.no_grad():
            next(lowered.parameters()).mul_(1.01)
        return lowered

    monkeypatch.setattr(lower, "lower", wrong)
    with pytest.raises(ExportError, match="onnxruntime with fp32 weights does not compute what"):
        export_bundle(lite, ["onnx"], out=place)
    assert _content(place) == before
    assert [path.name for path in tmp_path.iterdir()] == ["best.edge"]


def test_a_killed_export_leaves_the_old_bundle(lite: Path, exported: Path, tmp_path: Path) -> None:
    place = shutil.copytree(exported, tmp_path / "best.edge")
    before = _content(place)
    program = Path(sys.executable).with_name("yolo-export")
    run = subprocess.Popen(
        [program, "--to", "onnx,ncnn", lite, "--out", place],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert run.stderr is not None
    seen = ""
    deadline = time.monotonic() + 60
    while "golden" not in seen and time.monotonic() < deadline:
        seen += run.stderr.read(1)
    run.kill()
    run.communicate()
    assert _content(place) == before
    load_bundle(place)


def test_help_imports_no_torch(yolo_export: Command) -> None:
    assert "examples:" in yolo_export("--help").stdout
    code = (
        "import sys\nfrom yolo_export.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_folder_as_out(yolo_export: Command, lite: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(lite, tmp_path / "street-2.pt"))
    assert yolo_export("--to", "ncnn", copy, "--out", tmp_path).returncode == 0
    assert load_bundle(tmp_path / "street-2.edge").targets[0].engine == "ncnn"
