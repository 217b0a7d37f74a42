"""What ``run`` reads, finds and writes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def _lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_images_to_text(yolo_edge: Command, tiny_bundle: Path, scenes: Path) -> None:
    done = yolo_edge("run", "--model", tiny_bundle, scenes)
    assert done.returncode == 0
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == [
        str(scenes / name) for name in ("a.png", "b.jpg", "c.png")
    ]
    assert f"model {tiny_bundle} (yolov5-lite, 3 classes), engine" in done.stderr
    assert "3 frames in" in done.stderr


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "mnn", "ncnn"])
def test_video_to_everything(
    yolo_edge: Command, tiny_bundle: Path, clip: Path, tmp_path: Path, engine: str
) -> None:
    done = yolo_edge(
        *("run", "--model", tiny_bundle, "--engine", engine, "--threads", 2, clip),
        *("--save", tmp_path / "out", "--jsonl", tmp_path / "o.jsonl", "--save-txt", tmp_path / "labels"),
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(rf"engine {engine}( \(native\))? fp32, 2 threads on CPUs ", done.stderr)
    assert ", 128 rect\n" in done.stderr
    lines = _lines((tmp_path / "o.jsonl").read_text())
    assert [line["frame"] for line in lines] == list(range(12))
    assert [line["time_s"] for line in lines[:3]] == [0.0, 0.1, 0.2]
    assert all(line["source"] == str(clip) and line["width"] == 160 for line in lines)
    assert sum(len(line["detections"]) for line in lines) > 12
    assert len(list((tmp_path / "labels").iterdir())) == 12
    capture = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == 12


def test_which_frames(yolo_edge: Command, tiny_bundle: Path, clip: Path, scenes: Path) -> None:
    common = ("run", "--model", tiny_bundle, "--quiet", "--jsonl", "-")
    done = yolo_edge(*common, clip, "--every", 5)
    assert [line["frame"] for line in _lines(done.stdout)] == [0, 5, 10]
    done = yolo_edge(
        *common, scenes / "a.png", clip, scenes / "*.jpg", "--max-frames", 4, "--files-at-once", 1
    )
    assert [Path(line["source"]).name for line in _lines(done.stdout)] == ["a.png", *["clip.avi"] * 3]
    assert done.stderr == ""


def test_which_boxes(yolo_edge: Command, tiny_bundle: Path, scenes: Path) -> None:
    def boxes(*flags: object) -> list[dict]:
        done = yolo_edge("run", "--model", tiny_bundle, "--jsonl", "-", scenes / "a.png", *flags)
        assert done.returncode == 0, done.stderr
        return _lines(done.stdout)[0]["detections"]

    everything = boxes("--conf", 0.1)
    assert len(everything) > len(boxes("--conf", 0.5))
    assert {box["name"] for box in boxes("--conf", 0.1, "--classes", "dog,2")} <= {"dog", "bird"}
    assert boxes("--conf", 0.1, "--max-detections", 2) == everything[:2]
    assert len(boxes("--conf", 0.5, "--iou", 0.9)) > len(boxes("--conf", 0.5))
    assert len(boxes("--conf", 0.5, "--agnostic")) < len(boxes("--conf", 0.5))
    assert boxes("--letterbox", "square") != boxes()
    assert boxes("--imgsz", "96x160") != boxes()


def test_the_model_is_found_in_the_working_folder(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "a.edge")
    done = yolo_edge("run", scenes, cwd=tmp_path)
    assert done.returncode == 0
    assert "model a.edge (" in done.stderr
    shutil.copytree(tiny_bundle, tmp_path / "b.edge")
    done = yolo_edge("run", scenes, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "yolo-edge run: error: there are several bundles here: a.edge, b.edge; choose one with --model\n"
    )
    done = yolo_edge("run", scenes, cwd=tmp_path, YOLO_EDGE_MODEL=str(tiny_bundle))
    assert done.returncode == 0


def test_several_sources_at_once(yolo_edge: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    out, stats = tmp_path / "out", tmp_path / "stats.json"
    done = yolo_edge(
        *("run", "--model", tiny_bundle, clip, clip, "--jsonl", "-", "--save", out, "--stats", stats),
        *("--threads", 1),
    )
    assert done.returncode == 0, done.stderr
    lines = _lines(done.stdout)
    names = [str(clip), f"{clip}#2"]
    for name in names:
        assert [line["frame"] for line in lines if line["source"] == name] == list(range(12))
    assert [line["source"] for line in lines] != sorted(names * 12), "in turn"
    assert sorted(path.name for path in out.iterdir()) == ["clip.mp4", "clip_2.mp4"]
    figures = json.loads(stats.read_text())
    assert list(figures["sources"]) == names
    assert (figures["frames"], figures["sources"][names[1]]["frames"]) == (24, 12)
    for name in names:
        ages = [line["age_ms"] for line in lines if line["source"] == name]
        assert figures["sources"][name]["age_ms"]["max"] == pytest.approx(max(ages), abs=0.06)
        assert figures["sources"][name]["age_ms"]["median"] == pytest.approx(
            sorted(ages)[5], rel=0.01, abs=0.1
        )
    assert f"  {clip}#2: 12 frames (" in done.stderr


def test_help_teaches_and_imports_little(yolo_edge: Command) -> None:
    done = yolo_edge("--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert "run" in done.stdout
    assert "--conf X" in yolo_edge("run", "--help").stdout
    code = (
        "import sys\nfrom yolo_edge.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    for heavy in ("numpy", "cv2", "onnxruntime", "openvino", "MNN", "ncnn", "torch", "_core"):
        assert f"'{heavy}" not in loaded
        assert f".{heavy}'" not in loaded


def test_a_run_never_imports_the_export_wing(tiny_bundle: Path, scenes: Path) -> None:
    code = (
        "import sys\nfrom yolo_edge.cli import main\n"
        f"code = main(['run', '--quiet', '--model', {str(tiny_bundle)!r}, {str(scenes)!r}])\n"
        "print(code, [m for m in ('torch', 'onnx', 'yolo_export', 'pnnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_version(yolo_edge: Command) -> None:
    version = (Path(__file__).parents[2] / "VERSION").read_text().strip()
    assert yolo_edge("--version").stdout == f"yolo-edge {version}\n"


def test_a_file_name_that_is_not_utf8(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    odd = os.fsencode(folder) + b"/\xff.png"
    shutil.copy(scenes / "a.png", odd)
    out = tmp_path / "out"
    done = yolo_edge("run", "--model", tiny_bundle, folder, "--jsonl", "-", "--save", out, "--save-txt", out)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert json.loads(done.stdout)["source"] == f"{folder}/\N{REPLACEMENT CHARACTER}.png"
    assert {b"\xff.png", b"\xff.txt"} <= {os.fsencode(path.name) for path in out.iterdir()}
    assert yolo_edge("run", "--model", tiny_bundle, folder).returncode == 0
