"""Raspberry Pi's CSI cameras, through the program rpicam-vid."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence

from yolo_edge._core import CpuSet
from yolo_edge.capture_options import CaptureOptions
from yolo_edge.errors import SourceError
from yolo_edge.sources.jpeg_stream import JpegSplitter, jpeg_picture
from yolo_edge.sources.live import CaptureCounts, Connection, LiveSource, Picture
from yolo_edge.sources.reconnect import StreamLost

PROGRAMS = ("rpicam-vid", "libcamera-vid")
"""Newest name first; the second is of Raspberry Pi OS before Bookworm."""
_OUR_OPTIONS = ("-o", "--output", "-t", "--timeout", "-n", "--nopreview", "--codec", "--flush")
_KILL_AFTER_S = 2.0
_LOOK_EVERY_S = 0.2


class RpicamSource(LiveSource):
    """A CSI camera.

    Args:
        arguments: More options of ``rpicam-vid``, as on its command line.
        options: Size, frame rate, time-outs and retries.
        every: Take only each N-th frame.
        cpus: CPUs that the capturing thread, and the program, are bound to; None binds nothing.

    Raises:
        SourceError: There is no such program.
        ValueError: An option that is set here already.
    """

    def __init__(
        self, arguments: str, options: CaptureOptions, every: int = 1, cpus: CpuSet | None = None
    ) -> None:
        more = shlex.split(arguments)
        taken = sorted({word for word in more if word.split("=", 1)[0] in _OUR_OPTIONS})
        if taken:
            raise ValueError(f"rpicam: sets {', '.join(taken)} itself; leave it out")
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            raise SourceError(
                f"rpicam: neither {' nor '.join(PROGRAMS)} is installed (apt install rpicam-apps, "
                "on a Raspberry Pi)"
            )
        super().__init__(f"rpicam:{arguments}" if more else "rpicam", options, every, cpus)
        self._command = [program, *_arguments(options), *more]
        self.start()

    def connect(self) -> Connection:
        return PipeConnection(self._command, self.options, self.counts)


class PipeConnection(Connection):
    """A program that writes JPEG files to its standard output.

    It leads a process group of its own, which is killed at the end: no child of it survives.

    Args:
        command: Program and arguments.
        options: Time-outs.
        counts: What is left out is counted here.

    Raises:
        StreamLost: It cannot be started.
    """

    def __init__(self, command: Sequence[str], options: CaptureOptions, counts: CaptureCounts) -> None:
        self._options = options
        self._counts = counts
        self._program = os.path.basename(command[0])  # noqa: PTH119 - a command, not a path of ours
        self._errors = b""
        self.fps = options.fps
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise StreamLost(f"{self._program} does not start: {error.strerror}") from None

    def pictures(self) -> Iterator[Picture]:
        splitter, damaged_before = JpegSplitter(), self._counts.damaged
        timeout_s, last_picture = self._options.timeout_s, time.monotonic()
        while piece := self._read(last_picture + timeout_s):
            arrived = time.monotonic()
            for jpeg in splitter.feed(piece, arrived):
                last_picture = arrived
                yield jpeg_picture(jpeg.data, jpeg.arrived)
            self._counts.damaged = damaged_before + splitter.damaged
        code = self._process.wait()
        words = self._errors.decode(errors="replace").strip().splitlines()
        reason = f": {words[-1].strip()}" if words else ""
        raise StreamLost(f"{self._program} ended with exit code {code}{reason}")

    def interrupt(self) -> None:
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):  # killed in a moment
            self._process.wait(_KILL_AFTER_S)
        # The program may be gone and its children not.
        self._signal(signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _read(self, deadline: float) -> bytes:
        """The next bytes of standard output; none at its end. Keeps the end of standard error."""
        stdout, stderr = self._process.stdout, self._process.stderr
        assert stdout is not None
        assert stderr is not None
        waiting = [stdout, stderr]
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise StreamLost(f"{self._program} sent no picture for {self._options.timeout_s:g} s")
            ready, _, _ = select.select(waiting, [], [], min(left_s, _LOOK_EVERY_S))
            if stderr in ready:
                text = os.read(stderr.fileno(), 1 << 16)
                self._errors = (self._errors + text)[-4096:]
                if not text:
                    waiting.remove(stderr)
            if stdout in ready:
                return os.read(stdout.fileno(), 1 << 16)
            if not ready and self._process.poll() is not None:
                return b""  # it ended, and a child of it keeps the pipe open

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # all of the group are gone
            os.killpg(self._process.pid, number)


def _arguments(options: CaptureOptions) -> list[str]:
    found = ["-t", "0", "-n", "--codec", "mjpeg", "--flush", "-o", "-"]
    if options.size_wh is not None:
        found += ["--width", str(options.size_wh[0]), "--height", str(options.size_wh[1])]
    if options.fps is not None:
        found += ["--framerate", f"{options.fps:g}"]
    return found
