"""How a run ends: with broken files, signals, a full disk."""

from __future__ import annotations

import array
import fcntl
import json
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


def _start(*arguments: object, stdout: object = subprocess.PIPE) -> subprocess.Popen[str]:
    program = Path(sys.executable).with_name("yolo-edge")
    command = [program, "run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)  # another process gives no event


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


def test_a_reader_that_has_enough_ends_the_run(tiny_bundle: Path, clip: Path) -> None:
    run = _start("--model", tiny_bundle, "--jsonl", "-", *[clip] * 200)
    assert run.stdout is not None
    assert json.loads(run.stdout.readline())["frame"] == 0
    run.stdout.close()
    assert run.wait(timeout=60) == 0
    assert run.stderr is not None
    assert "Traceback" not in run.stderr.read()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_its_outputs(
    tiny_bundle: Path, long_clip: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    jsonl = tmp_path / "o.jsonl"
    run = _start("--model", tiny_bundle, "--jsonl", jsonl, "--save", tmp_path / "out", long_clip)
    _wait_until(lambda: jsonl.exists() and jsonl.read_text().count("\n") > 30)
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


def test_a_killed_run_leaves_whole_lines_and_a_video_that_plays(
    tiny_bundle: Path, long_clip: Path, tmp_path: Path
) -> None:
    jsonl, video = tmp_path / "o.jsonl", tmp_path / "out" / "long.mp4"
    run = _start("--model", tiny_bundle, "--jsonl", jsonl, "--save", tmp_path / "out", long_clip)
    _wait_until(lambda: video.exists() and video.stat().st_size > 500_000)
    run.kill()
    run.communicate()
    assert len(_lines(jsonl.read_text())) > 30
    capture = cv2.VideoCapture(str(video))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) > 30
