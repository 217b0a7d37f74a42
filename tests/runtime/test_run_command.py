from __future__ import annotations

import array
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import termios
import time
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


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(["--threads", 0], "threads is 0; it must be a whole number of at least 1", id="threads"),
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


def test_a_broken_image_does_not_stop_the_rest(
    yolo_edge: Command, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    shutil.copytree(scenes, folder)
    (folder / "b.jpg").write_bytes((scenes / "b.jpg").read_bytes()[:400])
    done = yolo_edge(
        "run", "--model", tiny_bundle, folder, "--jsonl", tmp_path / "o.jsonl", "--save", tmp_path / "o"
    )
    assert done.returncode == 1
    assert f"{folder / 'b.jpg'}: the JPEG file is cut off" in done.stderr
    assert "2 frames" in done.stderr
    assert "1 failed" in done.stderr
    first, broken, last = _lines((tmp_path / "o.jsonl").read_text())
    assert "detections" in first
    assert "detections" in last
    assert list(broken) == ["source", "frame", "captured_at", "error"]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["a.png", "c.png"]


def test_a_video_that_is_cut_off(yolo_edge: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.avi"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 3 // 4])
    done = yolo_edge("run", "--model", tiny_bundle, cut, "--jsonl", "-", "--save", tmp_path / "out")
    assert done.returncode == 1
    *frames, last = _lines(done.stdout)
    assert len(frames) >= 6
    assert f"ended after {len(frames)} of 12 frames" in last["error"]
    assert f"ended after {len(frames)} of 12 frames" in done.stderr
    capture = cv2.VideoCapture(str(tmp_path / "out" / "cut.mp4"))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == len(frames)


def _start(*arguments: object, stdout: object = subprocess.PIPE) -> subprocess.Popen[str]:
    program = Path(sys.executable).with_name("yolo-edge")
    command = [program, "run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


def test_a_reader_that_has_enough_ends_the_run(tiny_bundle: Path, clip: Path) -> None:
    run = _start("--model", tiny_bundle, "--jsonl", "-", *[clip] * 200)
    assert run.stdout is not None
    assert json.loads(run.stdout.readline())["frame"] == 0
    run.stdout.close()
    assert run.wait(timeout=60) == 0
    assert run.stderr is not None
    assert "Traceback" not in run.stderr.read()


@pytest.fixture(scope="module")
def long_clip(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's frames over and over: longer than any test here watches it."""
    path = tmp_path_factory.mktemp("long") / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (160, 90))
    capture = cv2.VideoCapture(str(clip))
    frames = [capture.read()[1] for _ in range(12)]
    for _ in range(500):
        for frame in frames:
            writer.write(frame)
    writer.release()
    return path


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_its_outputs(
    tiny_bundle: Path, long_clip: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    jsonl = tmp_path / "o.jsonl"
    run = _start("--model", tiny_bundle, "--jsonl", jsonl, "--save", tmp_path / "out", long_clip)
    deadline = time.monotonic() + 60
    while not (jsonl.exists() and jsonl.read_text().count("\n") > 30) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signum)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "frames in" in stderr
    assert "Traceback" not in stderr
    written = len(_lines(jsonl.read_text()))
    capture = cv2.VideoCapture(str(tmp_path / "out" / "long.mp4"))
    playable = sum(1 for _ in iter(lambda: capture.read()[0], False))
    assert written > 30
    assert abs(playable - written) <= 1


def test_the_second_signal_ends_at_once(tiny_bundle: Path, long_clip: Path) -> None:
    run = _start("--model", tiny_bundle, "--jsonl", "-", "--conf", 0.01, long_clip)
    assert run.stdout is not None
    status = Path(f"/proc/{run.pid}/status")

    def handled() -> bool:
        caught = re.search(r"SigCgt:\s*(\w+)", status.read_text())
        return caught is not None and bool(int(caught[1], 16) >> (signal.SIGINT - 1) & 1)

    def waits_for_the_reader() -> bool:  # nobody reads: the pipe gets full, and the output waits for ever
        waiting = array.array("i", [0])
        fcntl.ioctl(run.stdout, termios.FIONREAD, waiting)
        return waiting[0] > 60_000

    _wait_until(waits_for_the_reader)
    assert handled()
    run.send_signal(signal.SIGINT)
    _wait_until(lambda: not handled())
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == -signal.SIGINT
    run.communicate()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)  # another process gives no event


def test_a_full_disk_keeps_what_was_written(tiny_bundle: Path, long_clip: Path, tmp_path: Path) -> None:
    jsonl, stats = tmp_path / "o.jsonl", tmp_path / "stats.json"
    program = Path(sys.executable).with_name("yolo-edge")
    command = [program, "run", "--model", tiny_bundle, "--jsonl", jsonl, "--stats", stats, long_clip]
    command += ["--max-detections", 3]
    limit = 20_001  # bytes of one file
    done = subprocess.run(
        list(map(str, command)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"yolo-edge run: error: {jsonl}: cannot be written: File too large"
    assert "frames in" in done.stderr
    assert "Traceback" not in done.stderr
    text = jsonl.read_text()
    assert text.endswith("}\n"), "no half line"
    assert [line["frame"] for line in _lines(text)] == list(range(text.count("\n")))
    assert limit - 2000 < len(text) <= limit
    assert json.loads(stats.read_text())["frames"] == text.count("\n") + 1


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


def test_several_workers(yolo_edge: Command, tiny_bundle: Path, long_clip: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    done = yolo_edge(
        *("run", "--model", tiny_bundle, "--workers", len(cpus), long_clip),
        *("--max-frames", 300, "--stats", "-", "--engine", "onnxruntime"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 300
    for cpu in cpus:
        assert f"1 threads on CPUs {cpu}," in done.stderr


@pytest.mark.parametrize(
    ("flags", "engines"),
    [
        pytest.param([], 2, id="nothing said"),
        pytest.param(["--workers", 1], 1, id="one asked for"),
        pytest.param(["--threads", 2], 1, id="threads chosen"),
        pytest.param(["--cluster", "all"], 1, id="a cluster chosen"),
        pytest.param(["--max-frames", 20], 1, id="few frames"),
    ],
)
def test_a_long_file_gets_two_engines(
    yolo_edge: Command, tiny_bundle: Path, long_clip: Path, flags: list[object], engines: int
) -> None:
    from yolo_edge.cpu_plan import plan_cpus

    plan = plan_cpus()
    if plan.threads < 2 or plan.engine_cpus != plan.topology.allowed:
        engines = 1  # the engine leaves CPUs to the rest, or there is only one
    arguments = ["--engine", "onnxruntime", "--max-frames", 150, "--stats", "-", *flags]
    done = yolo_edge("run", "--model", tiny_bundle, long_clip, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" engine onnxruntime fp32, ") == engines
    assert ("2 engines, as one would wait for its CPUs" in done.stderr) == (engines == 2)
    assert json.loads(done.stdout)["frames"] == (20 if 20 in flags else 150)


def test_a_killed_run_leaves_whole_lines_and_a_video_that_plays(
    tiny_bundle: Path, long_clip: Path, tmp_path: Path
) -> None:
    jsonl, video = tmp_path / "o.jsonl", tmp_path / "out" / "long.mp4"
    run = _start("--model", tiny_bundle, "--jsonl", jsonl, "--save", tmp_path / "out", long_clip)
    deadline = time.monotonic() + 60
    while not (video.exists() and video.stat().st_size > 500_000) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.communicate()
    assert len(_lines(jsonl.read_text())) > 30
    capture = cv2.VideoCapture(str(video))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) > 30


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
