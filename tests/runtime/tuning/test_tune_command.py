from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import profiles
import pytest

from yolo_edge import _core, load_bundle
from yolo_edge.tuning.candidates import Candidate

Command = Callable[..., "subprocess.CompletedProcess[str]"]

CPUS = str(_core.CpuTopology.read().allowed)
ALL = _core.CpuTopology.read().default_threads(_core.CpuSet(CPUS))
FIRST = str(next(iter(_core.CpuTopology.read().allowed)))


def test_tune_then_run(yolo_edge: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    place = {"YOLO_EDGE_PROFILES": str(tmp_path / "profiles")}
    flags = ("--budget", 6, "--engine", "onnxruntime", "--json", tmp_path / "t.json")
    done = yolo_edge("tune", tiny_bundle, clip, *flags, **place)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"tuning {tiny_bundle} at 128x128 rect on ")
    best = dict(re.findall(r"^best for (\w+): (.+)$", done.stdout, re.M))
    assert list(best) == ["latency", "throughput"]
    (stored,) = (tmp_path / "profiles").iterdir()
    assert f"stored in {stored}; run uses it unless --engine NAME is given" in done.stdout
    report = json.loads((tmp_path / "t.json").read_text())
    assert report["stored"] == str(stored)
    for tuning in report["tunings"]:
        assert Candidate(**tuning["rows"][0]["candidate"]).describe() == best[tuning["objective"]]
        assert tuning["rows"][0]["cost_to_best"] == 1.0
    run = yolo_edge("run", "--model", tiny_bundle, clip, **place)
    assert run.stderr.startswith(f"engine auto: {best['throughput']}, tuned for throughput on 20")
    assert "(--engine NAME ignores it)\nmodel " in run.stderr
    live = yolo_edge("run", "--model", tiny_bundle, "rtsp://127.0.0.1:1/", "--retries", 1, **place)
    assert live.stderr.startswith(f"engine auto: {best['latency']}, tuned for latency on 20")


def run_with(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, folder: Path, *flags: object
) -> tuple[str, str]:
    """What ``run`` says about the engine: the line on tuning, if there is one, and that of the model."""
    done = yolo_edge("run", "--model", tiny_bundle, scenes, *flags, YOLO_EDGE_PROFILES=str(folder))
    assert done.returncode == 0, done.stderr
    *tuning, model = [line for line in done.stderr.splitlines() if " frames in " not in line]
    return "\n".join(tuning), model


@pytest.mark.parametrize(
    ("flags", "tuned", "runs"),
    [
        pytest.param([], True, f"engine ncnn bf16, 1 threads on CPUs {CPUS},", id="nothing fixed"),
        pytest.param(
            ["--precision", "fp32"], True, f"onnxruntime fp32, 1 threads on CPUs {FIRST},", id="fp32"
        ),
        pytest.param(["--affinity", FIRST], True, f"onnxruntime fp32, 1 threads on CPUs {FIRST},", id="CPUs"),
        pytest.param(["--engine", "onnxruntime"], False, "engine onnxruntime fp32, ", id="an engine"),
        pytest.param(["--engine", "openvino"], False, "engine openvino fp32, ", id="another engine"),
        pytest.param(["--threads", 3], False, " 3 threads on CPUs", id="threads that nobody measured"),
        pytest.param(["--imgsz", 64], False, ", 64 rect", id="another size"),
    ],
)
def test_no_flag_is_overruled(
    yolo_edge: Command,
    tiny_bundle: Path,
    scenes: Path,
    tmp_path: Path,
    flags: list[object],
    tuned: bool,
    runs: str,
) -> None:
    rows = [Candidate("ncnn", False, "bf16", 1, CPUS), Candidate("onnxruntime", False, "fp32", 1, FIRST)]
    profiles.store(tiny_bundle, tmp_path, profiles.tuning(load_bundle(tiny_bundle), rows))
    text, model = run_with(yolo_edge, tiny_bundle, scenes, tmp_path, *flags)
    assert (", tuned for latency on 2026-11-25 (--engine NAME ignores it)" in text) == tuned
    assert runs in model


@pytest.mark.parametrize(
    ("flags", "engines", "threads"),
    [
        pytest.param([], 2, 1, id="nothing fixed"),
        pytest.param(["--max-frames", 3], 1, ALL, id="few frames"),
        pytest.param(["--max-frames", 3, "--threads", 1], 1, 1, id="few frames, one thread asked for"),
        pytest.param(["--max-frames", 3, "--workers", 2], 2, 1, id="few frames, two asked for"),
        pytest.param(["--workers", 1], 1, 1, id="one"),
        pytest.param(["--workers", 2], 2, 1, id="two"),
    ],
)
def test_several_workers(
    yolo_edge: Command,
    tiny_bundle: Path,
    scenes: Path,
    tmp_path: Path,
    flags: list[object],
    engines: int,
    threads: int,
) -> None:
    images = [scenes / "a.png"] * 120
    rows = [Candidate("ncnn", False, "bf16", 1, CPUS, workers=2), Candidate("ncnn", False, "bf16", 1, CPUS)]
    tuning = profiles.tuning(load_bundle(tiny_bundle), rows, "throughput")
    profiles.store(tiny_bundle, tmp_path, tuning)
    done = yolo_edge("run", "--model", tiny_bundle, *images, *flags, YOLO_EDGE_PROFILES=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert ", tuned for throughput on 2026-11-25" in done.stderr
    assert done.stderr.count(f" engine ncnn bf16, {threads} threads on CPUs ") == engines


def test_a_damaged_profile_is_a_warning(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    rows = [Candidate("ncnn", False, "bf16", 1, CPUS)]
    path = profiles.store(tiny_bundle, tmp_path, profiles.tuning(load_bundle(tiny_bundle), rows))
    path.write_text(path.read_text()[:200])
    text, model = run_with(yolo_edge, tiny_bundle, scenes, tmp_path)
    assert text.startswith(f"yolo-edge run: warning: engine auto is not tuned: {path}: cannot be read (")
    assert "bf16" not in model


def test_the_hint_comes_once_and_never_quietly(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    quiet = yolo_edge("run", "--model", tiny_bundle, scenes, "--quiet", YOLO_EDGE_PROFILES=str(tmp_path))
    assert (quiet.stderr, list(tmp_path.iterdir())) == ("", [])
    assert run_with(yolo_edge, tiny_bundle, scenes, tmp_path)[0].startswith("hint: yolo-edge tune finds ")
    assert run_with(yolo_edge, tiny_bundle, scenes, tmp_path)[0] == ""


def test_interrupted(tiny_bundle: Path, tmp_path: Path) -> None:
    import os

    tune = subprocess.Popen(
        [*(Path(sys.executable).with_name("yolo-edge"), "tune", tiny_bundle), "--budget", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "YOLO_EDGE_PROFILES": str(tmp_path)},
    )
    assert tune.stderr is not None
    assert tune.stderr.readline().startswith("tuning ")
    time.sleep(2)  # until it measures; whenever it is, the outcome is the same
    tune.send_signal(signal.SIGINT)
    stdout, stderr = tune.communicate(timeout=60)
    assert (tune.returncode, stderr) == (130, "")
    assert "interrupted: nothing was stored" in stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        pytest.param(
            ["--budget", 0], 2, "budget is 0.0; it must be a number of seconds above 0", id="budget"
        ),
        pytest.param(["--objective", "speed"], 2, "invalid choice: 'speed'", id="objective"),
        pytest.param(["--engine", "nncn"], 2, "unknown engine 'nncn'", id="engine"),
        pytest.param(["--imgsz", "100"], 2, "image size 100 is not a multiple", id="size"),
        pytest.param(["none.mp4"], 1, "none.mp4: no such file or folder", id="no such video"),
        pytest.param(["--json", "none/t.json"], 1, "there is no folder none", id="no folder"),
    ],
)
def test_refused(
    yolo_edge: Command, tiny_bundle: Path, tmp_path: Path, flags: list[object], code: int, text: str
) -> None:
    done = yolo_edge("tune", tiny_bundle, *flags, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        pytest.param([], 1, "nowhere to store: $YOLO_EDGE_PROFILES is empty", id="nowhere to store"),
        pytest.param(["--no-store", "--quiet"], 0, "", id="only shown"),
    ],
)
def test_without_a_place(
    yolo_edge: Command, tiny_bundle: Path, flags: list[object], code: int, text: str
) -> None:
    done = yolo_edge("tune", tiny_bundle, "--budget", 1, "--engine", "onnxruntime", *flags)
    assert done.returncode == code
    assert text in done.stderr
    assert ("best for latency: onnxruntime" in done.stdout) == (code == 0)
