"""The command ``run`` on streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from http_streams import HttpCamera, serve, stall
from rtsp_camera import Behaviour, RtspCamera

Command = Callable[..., "subprocess.CompletedProcess[str]"]
USER = "me:s3cret"


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_frames_with_their_age_and_no_credentials(yolo_edge: Command, tiny_bundle: Path, kind: str) -> None:
    with HttpCamera(serve()) as http, RtspCamera(Behaviour()) as rtsp:
        url = (http if kind == "http" else rtsp).url(user=USER)
        flags = ("--max-frames", 8, "--jsonl", "-", "--timeout", 5, "-v")
        done = yolo_edge("run", "--model", tiny_bundle, url, *flags)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 8
    for line in lines:
        assert line["source"].startswith(f"{kind}://***@127.0.0.1:")
        assert 0 <= line["age_ms"] < 5000
        assert (line["width"], line["height"]) == (400, 96)
    assert "s3cret" not in done.stdout + done.stderr


def test_a_stream_that_is_down_is_reported_and_given_up_when_asked(
    yolo_edge: Command, tiny_bundle: Path
) -> None:
    camera = RtspCamera(Behaviour())
    camera.kill()
    flags = ("--retries", 2, "--jsonl", "-")
    done = yolo_edge("run", "--model", tiny_bundle, camera.url(USER), *flags, timeout=60)
    assert done.returncode == 1
    errors = [json.loads(line)["error"] for line in done.stdout.splitlines()]
    name, refused = (
        f"rtsp://***@127.0.0.1:{camera.port}/live",
        "connection refused: nothing listens on this port",
    )
    assert errors == [f"{name}: {refused}", f"{name}: {refused}; given up after 3 attempts"]
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_ctrl_c_ends_a_silent_stream_at_once(tiny_bundle: Path, transport: str) -> None:
    """With UDP, libav waits in a read that cannot be interrupted from outside."""
    with RtspCamera(Behaviour(answer=b"")) as camera:
        program = Path(sys.executable).with_name("yolo-edge")
        command = [program, "run", "--model", tiny_bundle, camera.url(USER)]
        flags = ["--timeout", "60", "--rtsp-transport", transport]
        process = subprocess.Popen([*command, *flags], stderr=subprocess.PIPE, text=True)
        while not camera.requests:
            assert process.poll() is None
            time.sleep(0.05)  # until it waits for the answer
        time.sleep(0.5)  # and the engine is loaded, most likely
        started = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert time.monotonic() - started < 15
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "s3cret" not in errors


def test_a_stalled_stream_shows_in_the_results(yolo_edge: Command, tiny_bundle: Path) -> None:
    with HttpCamera(stall(3)) as camera:
        flags = ("--retries", 0, "--timeout", 1, "--jsonl", "-")
        done = yolo_edge("run", "--model", tiny_bundle, camera.url(), *flags, timeout=60)
    assert done.returncode == 1
    *frames, failed = [json.loads(line) for line in done.stdout.splitlines()]
    assert frames
    assert failed["error"].endswith("nothing came for 1 s")
