from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import profiles
import pytest

from yolo_edge import _core, load_bundle
from yolo_edge.cli import main
from yolo_edge.tuning.candidates import Candidate, runtimes_of

Command = Callable[..., "subprocess.CompletedProcess[str]"]

FEW = ("--threads", 1, "--pairs", 5, "--warmup", 1)


def test_all_engines_side_by_side(yolo_edge: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    done = yolo_edge(
        *("bench", tiny_bundle, clip, *FEW, "--json", tmp_path / "b.json", "--plot", tmp_path / "b.png")
    )
    assert (done.returncode, done.stderr) == (0, f"wrote {tmp_path / 'b.png'}\n")
    assert done.stdout.startswith(f"{tiny_bundle} at 128x128 rect, {clip}\n")
    for column in ("decode", "letterbox", "inference", "postprocess", "engine alone", "overlapped"):
        assert column in done.stdout
    report = json.loads((tmp_path / "b.json").read_text())
    rows = report["rows"]
    runtimes = runtimes_of(load_bundle(tiny_bundle))
    assert [row["label"] for row in rows] == [runtime.title for runtime in runtimes]
    for row in rows:
        assert (row["threads"], row["precision"], row["pairs"]) == (1, "fp32", 5)
        assert row["engine_version"]
        assert row["times_ms"].keys() == {
            *("pipeline", "decode", "letterbox", "inference", "postprocess", "engine")
        }
        for times in row["times_ms"].values():
            assert 0 < times["min"] <= times["median"] <= times["p95"]
        assert row["fps"] == pytest.approx(1000 / row["times_ms"]["pipeline"]["median"])
    assert min(row["to_fastest"]["median"] for row in rows) <= 1.0
    assert report["conditions"]["throttled"] in (False, True)
    height, width, _ = cv2.imread(str(tmp_path / "b.png")).shape
    assert width > 1000
    assert height > 300


def test_native_and_package_are_two_rows(yolo_edge: Command, tiny_bundle: Path) -> None:
    done = yolo_edge("bench", tiny_bundle, *FEW, "--engine", "ncnn", "--json", "-", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    forms = [row["native"] for row in json.loads(done.stdout)["rows"]]
    assert forms == ([True, False] if "ncnn" in _core.native_engines else [False])


@pytest.mark.parametrize("tuned", [True, False], ids=["tuned", "never tuned"])
def test_auto_is_what_run_would_take(
    yolo_edge: Command, tiny_bundle: Path, tmp_path: Path, tuned: bool
) -> None:
    bundle, cpus = load_bundle(tiny_bundle), str(_core.CpuTopology.read().allowed)
    if tuned:
        best = Candidate("ncnn", False, "bf16", 1, cpus)
        profiles.store(tiny_bundle, tmp_path, profiles.tuning(bundle, [best]))
    done = yolo_edge(
        *("bench", tiny_bundle, *FEW, "--engine", "auto,onnxruntime", "--json", "-"),
        YOLO_EDGE_PROFILES=str(tmp_path),
    )
    auto, other = json.loads(done.stdout)["rows"]
    if tuned:
        assert (auto["label"], auto["precision"]) == ("auto, tuned: ncnn", "bf16")
    else:
        assert auto["label"].startswith("auto: ")
    assert other["label"] == "onnxruntime"


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        pytest.param(["--pairs", 0], 2, "pairs is 0; it must be a whole number of at least 1", id="pairs"),
        pytest.param(["--warmup", -1], 2, "warmup is -1; it must be a whole number of at", id="warm-up"),
        pytest.param(["--imgsz", 100], 2, "image size 100 is not a multiple", id="size"),
        pytest.param(["--threads", 0], 2, "threads is 0", id="threads"),
        pytest.param(["--engine", "nncn"], 2, "unknown engine 'nncn'", id="engine"),
        pytest.param(
            ["--engine", "onnxruntime", "--precision", "bf16"], 2, "has no precision", id="precision"
        ),
        pytest.param(["--precision", "fp16"], 2, "no installed engine of ", id="nobody's precision"),
        pytest.param(["none.mp4"], 1, "none.mp4: no such file or folder", id="no source"),
        pytest.param(["--json", "none/b.json"], 1, "there is no folder none", id="no folder"),
        pytest.param(["--plot", "none/b.png"], 1, "there is no folder none", id="no folder for the chart"),
        pytest.param(
            ["--engine", "onnxruntime", "--plot", "b.xyz"], 1, "b.xyz: cannot be written", id="no such format"
        ),
    ],
)
def test_refused(
    yolo_edge: Command, tiny_bundle: Path, tmp_path: Path, flags: list[object], code: int, text: str
) -> None:
    done = yolo_edge("bench", *FEW[2:], tiny_bundle, *flags, cwd=tmp_path)
    assert done.returncode == code
    assert text in done.stderr


def test_no_camera(
    monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Camera:
        live = True

        def close(self) -> None:
            pass

    monkeypatch.setattr("yolo_edge.sources.open_sources", lambda specs: [Camera()])
    assert main(["bench", str(tiny_bundle), "cam0"]) == 1
    assert "cam0: bench measures with files, not with cameras" in capsys.readouterr().err


def test_the_chart_needs_its_extra(tiny_bundle: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from yolo_edge.cli import main\n"
        f"sys.exit(main(['bench', {str(tiny_bundle)!r}, '--plot', {str(tmp_path / 'b.png')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "yolo-edge bench: error: --plot needs the Python package matplotlib, which is not installed: "
        "pip install 'yolo-edge[plot]'\n"
    )
