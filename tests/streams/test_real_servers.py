"""Live sources against a real RTSP server and real HTTP streams on loopback. Run by scripts/test-streams.

The servers' pictures carry their own clock (tests/runtime/pixel_clock.py), so the true age is known.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pixel_clock import read_stamp, stamp
from slow_network import SlowNetwork

from yolo_edge.sources import CaptureOptions, FailedFrame, Source, open_sources

pytestmark = [pytest.mark.streams, pytest.mark.timeout(1200)]

FOLDER = Path(__file__).parent
DEBIAN_PYTHON = "/usr/bin/python3"
SLOW_NETWORK_S = float(os.environ.get("YOLO_EDGE_SLOW_NETWORK_S", "600"))
ALLOWED_ERROR_S = 0.1


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _server(port: int, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """The RTSP server, ready."""
    command = [DEBIAN_PYTHON, FOLDER / "rtsp_server.py", "--port", str(port), *flags]
    env = {**os.environ, "PYTHONPATH": str(FOLDER.parent / "runtime")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()


class Watch:
    """Reads a source in a thread and keeps what it gave."""

    def __init__(self, url: str, **options: object) -> None:
        (self.source,) = open_sources([url], capture=CaptureOptions(**options))  # type: ignore[arg-type]
        self.numbers: list[int] = []
        self.times: list[float] = []
        self.true_ages: list[float] = []
        self.errors_s: list[float] = []
        """Reported age less the true one."""
        self.failures: list[str] = []
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(self.source,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()
        self._thread.join(30)
        if self._failed is not None:
            raise self._failed

    def wait(self, condition, within_s: float) -> float:  # type: ignore[no-untyped-def]  # any condition
        """Waits until something holds; returns how long that took."""
        started = time.monotonic()
        while not condition():
            assert self._failed is None, self._failed
            assert time.monotonic() - started < within_s, (len(self.numbers), self.failures)
            time.sleep(0.02)
        return time.monotonic() - started

    def _run(self, source: Source) -> None:
        try:
            for item in source:
                now = time.monotonic()
                if isinstance(item, FailedFrame):
                    self.failures.append(item.error.split(": ", 1)[1])
                    continue
                seen = read_stamp(item.image)
                self.numbers.append(seen.number)
                self.times.append(now)
                self.true_ages.append(now - seen.clock_s)
                self.errors_s.append((now - item.captured_clock) - (now - seen.clock_s))
        except BaseException as error:  # shown by the test's thread
            self._failed = error


def _report(title: str, watch: Watch) -> None:
    errors, ages = np.abs(watch.errors_s) * 1e3, np.array(watch.true_ages) * 1e3
    counts = f"{len(watch.failures)} failures, {watch.source.dropped} dropped, {watch.source.damaged} damaged"
    print(
        f"\n{title}: {len(errors)} frames; true age median {np.median(ages):.0f} ms, max {ages.max():.0f} ms;"
        f" reported age off by {np.median(errors):.1f} ms (median), p95 {np.percentile(errors, 95):.1f} ms,"
        f" max {errors.max():.1f} ms; {counts}"
    )


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_age_on_a_good_network(transport: str) -> None:
    port = _free_port()
    with _server(port), Watch(f"rtsp://127.0.0.1:{port}/0", rtsp_transport=transport) as watch:
        watch.wait(lambda: len(watch.numbers) >= 150, 60)
        _report(f"RTSP over {transport}", watch)
        assert np.percentile(np.abs(watch.errors_s), 95) < ALLOWED_ERROR_S
        assert watch.failures == []


def test_age_on_a_network_slower_than_the_camera() -> None:
    """Always too slow, from the first packet on: the queue grows until the source connects anew."""
    port = _free_port()
    with (
        _server(port, "--bitrate", "800") as _,
        Watch(f"rtsp://127.0.0.1:{port}/0") as direct,  # a camera runs whether somebody looks or not
        SlowNetwork(port, bytes_per_s=50_000) as network,
    ):
        direct.wait(lambda: direct.numbers, 20)
        with Watch(f"rtsp://127.0.0.1:{network.port}/0") as watch:
            time.sleep(SLOW_NETWORK_S)  # what the test is about
            _report(f"{SLOW_NETWORK_S:.0f} s of RTSP over 50 kB/s", watch)
            print(f"{network.connections} connections")
            assert max(watch.true_ages) < 4
            assert np.percentile(np.abs(watch.errors_s), 95) < ALLOWED_ERROR_S
            assert max(watch.true_ages) > 1  # the network was too slow
            # Now and then this server plays without sending video to a client, reports only.
            allowed = ("the network is slower than the camera", "no video came for 10 s")
            assert all(any(reason in text for reason in allowed) for text in watch.failures)
            assert len(watch.numbers) > 1.5 * SLOW_NETWORK_S


def test_age_while_a_queue_grows_and_goes_away() -> None:
    """No dropping: the age must be told, however old the frames get."""
    port = _free_port()
    with _server(port, "--bitrate", "800"), SlowNetwork(port) as network:
        watch = Watch(f"rtsp://127.0.0.1:{network.port}/0", max_lag_s=None)
        with watch:
            watch.wait(lambda: len(watch.numbers) > 30, 30)
            network.bytes_per_s = 60_000
            time.sleep(20)  # the queue grows
            network.bytes_per_s = None
            watch.wait(lambda: watch.true_ages[-1] < 0.2, 20)
        _report("20 s of 60 kB/s, then no limit, nothing dropped", watch)
        assert max(watch.true_ages) > 2
        assert np.percentile(np.abs(watch.errors_s), 95) < ALLOWED_ERROR_S
        assert watch.failures == []


def test_killed_and_restarted() -> None:
    port = _free_port()
    with Watch(f"rtsp://127.0.0.1:{port}/0") as watch:
        watch.wait(lambda: watch.failures == ["connection refused: nothing listens on this port"], 10)
        returns: list[float] = []
        for _ in range(3):
            with _server(port):
                before = len(watch.numbers)
                took_s = watch.wait(lambda before=before: len(watch.numbers) > before, 20)
                print(f"\nback {took_s:.2f} s after its server's return")
                returns.append(took_s)
                watch.wait(lambda before=before: len(watch.numbers) > before + 15, 20)
            lost = len(watch.failures)
            watch.wait(lambda lost=lost: len(watch.failures) > lost or watch.failures, 10)
            time.sleep(4)  # attempts fail, and are not reported
        # Once in a while this server plays without sending video, reports only: that takes the time-out.
        assert sorted(returns)[1] < 5
        assert len(watch.failures) == 4
        assert set(watch.failures[1:]) == {"the server ended the stream"}


def test_one_of_four_killed_costs_the_others_nothing() -> None:
    ports = [_free_port() for _ in range(4)]
    with _server(ports[0]), _server(ports[1]), _server(ports[2]):
        others = [Watch(f"rtsp://127.0.0.1:{port}/0") for port in ports[:3]]
        with others[0], others[1], others[2], Watch(f"rtsp://127.0.0.1:{ports[3]}/0") as killed:
            with _server(ports[3]):
                for watch in (*others, killed):
                    watch.wait(lambda watch=watch: len(watch.numbers) > 30, 30)
            killed.wait(lambda: len(killed.failures) >= 1, 10)
            time.sleep(8)
            with _server(ports[3]):
                before = len(killed.numbers)
                took_s = killed.wait(lambda: len(killed.numbers) > before, 20)
                print(f"\nback {took_s:.2f} s after its server's return")
                assert took_s < 5
                time.sleep(3)
            for watch in others:
                assert watch.failures == []
                assert len(watch.numbers) > 150
                settled = watch.numbers[10:]  # which is long before the fourth was killed
                assert settled == list(range(settled[0], settled[-1] + 1))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_stalled(transport: str) -> None:
    port = _free_port()
    url = f"rtsp://127.0.0.1:{port}/0"
    with _server(port) as server, Watch(url, timeout_s=2.0, rtsp_transport=transport) as watch:
        watch.wait(lambda: len(watch.numbers) > 15, 20)
        server.send_signal(signal.SIGSTOP)
        watch.wait(lambda: watch.failures == ["nothing came for 2 s"], 10)
        time.sleep(5)  # its kernel still accepts connections
        assert len(watch.failures) == 1
        before = len(watch.numbers)
        server.send_signal(signal.SIGCONT)
        took_s = watch.wait(lambda: len(watch.numbers) > before, 20)
        print(f"\nback {took_s:.2f} s after it went on")
        # A connection made while it was stopped is answered at once, another within the time-out.
        assert took_s < 2 + 5


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_credentials(transport: str) -> None:
    port = _free_port()
    with _server(port, "--user", "me:s3cret"):
        address = f"127.0.0.1:{port}"
        with Watch(f"rtsp://me:s3cret@{address}/0", rtsp_transport=transport) as watch:
            watch.wait(lambda: len(watch.numbers) > 5, 20)
        for user in ("me:wrong@", ""):
            (source,) = open_sources(
                [f"rtsp://{user}{address}/0"], capture=CaptureOptions(retries=0, rtsp_transport=transport)
            )
            (failed,) = source
            assert isinstance(failed, FailedFrame)
            assert "(401)" in failed.error
        (source,) = open_sources([f"rtsp://me:s3cret@{address}/none"], capture=CaptureOptions(retries=0))
        (failed,) = source
        assert isinstance(failed, FailedFrame)
        assert "(404)" in failed.error
        assert "s3cret" not in failed.error


@contextmanager
def _ffmpeg(port: int, kind: str, *flags: str) -> Iterator[None]:
    """One HTTP answer by ffmpeg with stamped pictures, 20 a second."""
    command = ["ffmpeg", "-loglevel", "error", "-fflags", "nobuffer", "-probesize", "32"]
    command += ["-f", "rawvideo", "-pixel_format", "bgr24", "-video_size", "400x96", "-framerate", "20"]
    command += ["-i", "-", *flags, "-content_type", kind, "-listen", "1", f"http://127.0.0.1:{port}/s"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def feed() -> None:
        image, number = np.full((96, 400, 3), 90, np.uint8), 0
        assert process.stdin is not None
        try:
            while True:
                stamp(image, number)
                process.stdin.write(image.tobytes())
                process.stdin.flush()
                number += 1
                time.sleep(1 / 20)  # the camera's frame rate
        except OSError:  # it was killed
            return

    threading.Thread(target=feed, daemon=True).start()
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_mjpeg_by_ffmpeg() -> None:
    port = _free_port()
    with Watch(f"http://127.0.0.1:{port}/s", longest_delay_s=0.5) as watch:
        for _ in range(2):
            before = len(watch.numbers)
            with _ffmpeg(port, "multipart/x-mixed-replace;boundary=ffmpeg", "-f", "mpjpeg"):
                watch.wait(lambda before=before: len(watch.numbers) > before + 60, 30)
        _report("MJPEG over HTTP", watch)
        assert np.percentile(np.abs(watch.errors_s), 95) < ALLOWED_ERROR_S
        assert watch.failures[1:] == ["the server ended the stream"] * 2


def test_gstreamer_pipeline_through_debians_opencv(tmp_path: Path) -> None:
    """In Debian's Python, whose OpenCV has GStreamer; of this environment it sees yolo_edge alone."""
    if sys.version_info[:2] != (3, 11):
        pytest.fail("needs the Python version of Debian 12, for the compiled module")
    program = (
        "from yolo_edge.sources import CaptureOptions, open_sources\n"
        "(source,) = open_sources(['gst:videotestsrc num-buffers=20 ! video/x-raw,width=64,height=48,"
        "framerate=20/1'], capture=CaptureOptions(retries=0, timeout_s=5))\n"
        "*frames, last = source\n"
        "print(len(frames) > 0, frames[0].image.shape, frames[0].fps, last.error)\n"
    )
    (tmp_path / "yolo_edge").symlink_to(Path(__import__("yolo_edge").__file__).parent)
    done = subprocess.run(
        [DEBIAN_PYTHON, "-c", program],
        env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"], "OPENCV_LOG_LEVEL": "FATAL"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True (48, 64, 3) 20.0 gst:videotestsrc num-buffers=20")
    assert "the pipeline ended or stopped delivering frames" in done.stdout
