"""Raspberry Pi's camera program, in the place of which stands one that writes what it is told."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from http_streams import jpeg
from pixel_clock import read_stamp

from yolo_edge.sources import CaptureOptions, FailedFrame, Frame, open_sources

PICTURES = """
for number in range({count}):
    out.write(picture(number)); out.flush(); time.sleep(0.05)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]  # a function
    """Makes the program ``rpicam-vid`` whose body is given; it notes its arguments and its child."""

    def make(body: str, name: str = "rpicam-vid") -> Path:
        (tmp_path / "0.jpg").write_bytes(jpeg(0))
        path = tmp_path / name
        path.write_text(
            f"""#!{sys.executable}
import os, subprocess, sys, time
folder = {str(tmp_path)!r}
open(folder + "/arguments", "w").write("\\n".join(sys.argv[1:]))
child = subprocess.Popen(["sleep", "100"])
open(folder + "/child.new", "w").write(str(child.pid))
os.rename(folder + "/child.new", folder + "/child")
out = sys.stdout.buffer
sys.path.insert(0, {str(Path(__file__).parent)!r})
from http_streams import jpeg as picture
{body}
"""
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return tmp_path

    return make


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":  # killed; whoever adopted it has not noticed yet
            return True
        time.sleep(0.05)  # until it is
    return False


@pytest.mark.parametrize("name", ["rpicam-vid", "libcamera-vid"])
def test_pictures_and_the_whole_group_is_killed(program, name: str) -> None:  # type: ignore[no-untyped-def]
    folder = program(PICTURES.format(count=10**6), name)
    options = CaptureOptions(size_wh=(1280, 720), fps=25, retries=0)
    (source,) = open_sources(["rpicam:--hflip --tuning-file 'a b'"], capture=options)
    frames = []
    for item in source:
        assert isinstance(item, Frame), item
        frames.append(item)
        if len(frames) == 5:
            break
    child = int((folder / "child").read_text())
    source.close()
    assert _gone(child)
    arguments = (folder / "arguments").read_text().split("\n")
    assert arguments[:8] == ["-t", "0", "-n", "--codec", "mjpeg", "--flush", "-o", "-"]
    assert arguments[8:14] == ["--width", "1280", "--height", "720", "--framerate", "25"]
    assert arguments[14:] == ["--hflip", "--tuning-file", "a b"]
    numbers = [read_stamp(frame.image).number for frame in frames]
    assert numbers == sorted(set(numbers))
    assert frames[0].fps == 25
    assert source.name == "rpicam:--hflip --tuning-file 'a b'"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(
            'sys.exit("ERROR: *** no cameras available ***")',
            "rpicam-vid ended with exit code 1: ERROR: *** no cameras available ***",
            id="no camera",
        ),
        pytest.param("time.sleep(100)", "rpicam-vid sent no picture for 3 s", id="silent"),
        pytest.param("sys.stderr.write('x' * 10**6); sys.exit(3)", "exit code 3", id="much to say"),
        pytest.param("out.write(b'garbage' * 10**6)", "no JPEG pictures", id="garbage"),
    ],
)
def test_faults_are_one_clear_line(program, body: str, error: str) -> None:  # type: ignore[no-untyped-def]
    folder = program(body)
    (source,) = open_sources(["rpicam:"], capture=CaptureOptions(timeout_s=3, retries=0))
    (failed,) = source
    source.close()
    assert isinstance(failed, FailedFrame)
    assert error in failed.error
    assert _gone(int((folder / "child").read_text()))


def test_a_program_that_ended_is_started_again(program) -> None:  # type: ignore[no-untyped-def]
    program(PICTURES.format(count=3))
    (source,) = open_sources(["rpicam:"], capture=CaptureOptions(first_delay_s=0.05))
    failures = 0
    for item in source:
        failures += isinstance(item, FailedFrame)
        if failures == 2:
            break
    source.close()


@pytest.mark.parametrize("arguments", ["-o x.mp4", "--codec=h264", "--timeout 5"])
def test_options_that_are_set_already_are_refused(program, arguments: str) -> None:  # type: ignore[no-untyped-def]
    program("")
    with pytest.raises(ValueError, match="itself; leave it out"):
        open_sources([f"rpicam:{arguments}"])
