"""``yolo-edge-native bench``, ``info``, ``--help`` and ``--version``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from yolo_edge.cli import main as python_command
from yolo_edge.options import DetectOptions

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_bench_measures_both(native: Command, tiny_bundle: Path, scenes: Path) -> None:
    common = ("bench", "--model", tiny_bundle, "--threads", 1, "--pairs", 7, "--warmup", 1)
    done = native(*common)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()[6:11]] == [
        *("pipeline", "letterbox", "inference", "postprocess", "bare")
    ]
    assert "image drawn, 1280x720, runs as 128x96" in done.stdout
    assert "7 interleaved pairs" in done.stdout
    report = json.loads(native(*common, scenes / "a.png", "--json").stdout)
    assert (report["engine"], report["threads"], report["pairs"]) == ("ncnn", 1, 7)
    assert (report["image_hw"], report["tensor_hw"]) == ([90, 160], [96, 128])
    times = report["times_ms"]
    assert 0 < times["engine"]["min"] <= times["engine"]["median"] <= times["engine"]["p95"]
    low, high = report["pipeline_to_engine"]["interval_95"]
    assert low <= report["pipeline_to_engine"]["median"] <= high
    assert report["fps"] == pytest.approx(1000 / times["pipeline"]["median"], rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(["--pairs", 0], 2, "pairs is 0; it must be a whole number of at least 1", id="pairs"),
        pytest.param(["--warmup", -1], 2, "warmup is -1", id="warmup"),
        pytest.param(["a.png", "b.png"], 2, "unrecognized arguments: b.png", id="two images"),
        pytest.param(["none.png"], 1, "none.png: cannot be read: No such file", id="no image"),
    ],
)
def test_bench_refuses(
    native: Command, tiny_bundle: Path, arguments: list[object], code: int, text: str
) -> None:
    done = native("bench", "--model", tiny_bundle, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr


def test_info(native: Command, yolo_edge: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    ours = json.loads(native("info", tiny_bundle, "--json").stdout)
    theirs = json.loads(yolo_edge("info", tiny_bundle, "--json").stdout)
    for key in ("clusters", "online_cpus", "allowed_cpus", "quota_cpus", "engine_cpus", "engine_threads"):
        assert ours["machine"][key] == theirs["machine"][key]
    assert "ncnn" in ours["engines"]
    assert ours["bundle"].items() <= {**theirs["bundle"], "targets": ours["bundle"]["targets"]}.items()
    assert [t["bytes"] for t in ours["bundle"]["targets"]] == [
        t["bytes"] for t in theirs["bundle"]["targets"]
    ]
    text = native("info", cwd=tmp_path).stdout
    assert "no model: give --model" in text
    assert "ncnn" in text
    assert "0 cat, 1 dog, 2 bird" in native("info", tiny_bundle).stdout
    done = native("info", "none.edge", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")


def test_help_has_the_python_command_s_defaults(native: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert "examples:" in native("--help").stdout
    ours = " ".join(native("run", "--help").stdout.split())
    with pytest.raises(SystemExit):
        python_command(["run", "--help"])
    theirs = " ".join(capsys.readouterr().out.split())
    defaults = DetectOptions()
    for text in (
        f"confidence threshold, 0..1 (default: {defaults.conf})",
        f"IoU threshold of NMS, 0..1 (default: {defaults.iou})",
        f"boxes kept per image (default: {defaults.max_detections})",
        "threads of one inference (default: one for each CPU it may run on)",
        "cores to run on: all, big, medium or little (default: big; all where they are alike)",
        "CPUs to run on by list (4-7) or mask (0xf0), instead of a cluster",
        "network size in pixels, N or HEIGHTxWIDTH (default: the bundle's)",
        "JSON Lines, one line a frame; - is standard output",
    ):
        assert text in ours
        assert text in theirs
    for command in ("bench", "info"):
        assert native(command, "--help").returncode == 0


def test_version(native: Command) -> None:
    version = (Path(__file__).parents[2] / "VERSION").read_text().strip()
    assert native("--version").stdout == f"yolo-edge-native {version}\n"
