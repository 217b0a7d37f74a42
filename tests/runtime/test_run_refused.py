"""What ``run`` refuses, and how it says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(["--threads", 0], "threads is 0; it must be a whole number of at least 1", id="threads"),
        pytest.param(["--threads", 10**20], "it must be at most 1024", id="very many threads"),
        pytest.param(["--max-detections", 10**20], "it must be at most 2147483647", id="very many boxes"),
        pytest.param(["--conf", 2], "conf is 2.0; it must be a number from 0 to 1", id="conf"),
        pytest.param(["--iou", -1], "iou is -1.0", id="iou"),
        pytest.param(["--imgsz", 100], "the model's stride 32; the nearest that are: 96, 128", id="imgsz"),
        pytest.param(["--imgsz", "big"], "'big' is not an image size", id="imgsz word"),
        pytest.param(["--classes", "horse"], "no class horse; it has: 0 cat, 1 dog, 2 bird", id="class"),
        pytest.param(["--engine", "tengine"], "unknown engine 'tengine'; known engines: mnn", id="engine"),
        pytest.param(["--letterbox", "round"], "invalid choice: 'round'", id="letterbox"),
        pytest.param(["--max-frames", 0], "max-frames is 0", id="max frames"),
        pytest.param(["--every", 0], "every is 0", id="every"),
        pytest.param(["--files-at-once", 0], "files-at-once is 0", id="files at once"),
        pytest.param(["--workers", 0], "workers is 0", id="workers"),
        pytest.param(["--workers", 4096], "4096 workers on ", id="more workers than CPUs"),
        pytest.param(["--stats", "-", "--jsonl", "-"], "--stats and --jsonl are both -", id="two on stdout"),
        pytest.param(["--max-detections", 0], "max_detections is 0", id="max detections"),
        pytest.param(["--size", "big"], "size is 'big'; it must be WIDTHxHEIGHT", id="camera size"),
        pytest.param(
            ["--size", "8x8"], "a size is for camN, rpicam: and demo, and there is none", id="no camera"
        ),
        pytest.param(["--timeout", 0], "timeout_s is 0.0; it must be more than 0", id="timeout"),
        pytest.param(["--nonsense"], "unrecognized arguments: --nonsense", id="flag"),
    ],
)
def test_wrong_usage(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, flags: list[object], text: str
) -> None:
    done = yolo_edge("run", "--model", tiny_bundle, scenes, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(["missing.jpg"], "missing.jpg: no such file or folder", id="no source"),
        pytest.param(["cam7"], "cam7: there is no /dev/video7; ", id="no camera"),
        pytest.param(["IMAGES", "--model", "no.edge"], "no.edge: no such bundle", id="no bundle"),
        pytest.param(["IMAGES", "--save", "/dev/null/out"], "cannot be made a folder for output", id="save"),
        pytest.param(["IMAGES", "--jsonl", "no/out.jsonl"], "no/out.jsonl: cannot be written", id="jsonl"),
        pytest.param(["IMAGES", "--stats", "no/s.json"], "there is no folder no", id="stats"),
        pytest.param(["IMAGES", "--jsonl", "/dev/full"], "No space left on device", id="disk full"),
        pytest.param(
            ["IMAGES", "--save", "IMAGES"], "the output would overwrite the source", id="same folder"
        ),
        pytest.param(["IMAGES", "--show"], "--show: there is no screen", id="no screen"),
    ],
)
def test_a_bad_world(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path, arguments: list[str], text: str
) -> None:
    given = [str(scenes) if argument == "IMAGES" else argument for argument in arguments]
    model = [] if "--model" in given else ["--model", tiny_bundle]
    done = yolo_edge("run", *model, *given, cwd=tmp_path, DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 1
    assert text in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_engine_that_is_not_installed(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    # A package of that name that fails as a missing one does, before the real one in the search path.
    missing = "raise ModuleNotFoundError(\"No module named 'onnxruntime'\", name='onnxruntime')"
    (tmp_path / "onnxruntime.py").write_text(missing)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = yolo_edge("run", "--model", tiny_bundle, "--engine", "onnxruntime", scenes, PYTHONPATH=path)
    assert done.returncode == 1
    assert done.stderr == (
        "yolo-edge run: error: engine 'onnxruntime' needs the Python package onnxruntime, which is not "
        "installed: pip install 'yolo-edge[onnxruntime]'\n"
    )


def test_pictures_of_one_source_never_replace_those_of_another(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    first, second = (Path(shutil.copytree(scenes, tmp_path / name)) for name in "ab")
    before = {path: path.read_bytes() for path in second.iterdir()}
    done = yolo_edge("run", "--model", tiny_bundle, first, second, "--save", second)
    assert done.returncode == 1
    assert "the output would overwrite the source" in done.stderr.splitlines()[-1]
    assert {path: path.read_bytes() for path in second.iterdir()} == before
