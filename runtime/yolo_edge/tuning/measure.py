"""Measures candidates, each in a process of its own (:mod:`yolo_edge.tuning.worker`)."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from yolo_edge.bundle import Bundle
from yolo_edge.errors import EngineError
from yolo_edge.options import validate_size
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.statistics import median

ANSWER_TIMEOUT_S = 300.0
"""A process that says nothing for so long counts as hung: no frame and no model takes that long."""

WARM_UP_S = 10.0
"""A candidate that gets faster for longer is measured as it is."""

_START = "import sys; sys.path[:] = sys.argv[2:]; from yolo_edge.tuning.worker import main; main()"
"""It imports what we do: Python's -m would look in the working folder first, whatever lies there."""

_FIRST_FRAMES = 3

_STEP_S = 0.25
"""Long enough for a governor to raise the frequency."""

_STEADY = 0.97
"""A step that is not faster than this share of the step before ends the warm-up."""

_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Network:
    """What is measured: a bundle at a size, on what images."""

    bundle: Path
    size_hw: tuple[int, int]
    letterbox: str
    root: str = "/"
    """Where ``sys`` is, for the energy counters."""
    source: str | None = None
    """An image, folder, pattern or video whose frames are used; None uses a drawn picture."""


def network_of(
    bundle: Bundle,
    size_hw: tuple[int, int] | None = None,
    letterbox: str | None = None,
    source: str | None = None,
) -> Network:
    """A bundle at a size; None takes the bundle's own.

    Raises:
        ValueError: A size that is not a multiple of the model's stride.
    """
    size = size_hw if size_hw is not None else bundle.input.size_hw
    validate_size(size, bundle.input.stride)
    return Network(bundle.path, size, letterbox or bundle.input.letterbox, source=source)


@dataclass(frozen=True)
class Block:
    """A few frames in a row."""

    frames: int
    wall_s: float
    cpu_s: float
    """CPU time of the whole process."""
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    """Each frame's time by stage: ``pipeline``, which is all of it, ``letterbox``, ``inference``,
    ``postprocess``, with a source ``decode``; ``engine`` is the engine's own part of ``inference``."""
    joules: float | None = None
    """Energy of the processor packages, where it can be read."""

    @property
    def frame_ms(self) -> float:
        """Median of the whole time of a frame."""
        return median(self.times_ms["pipeline"])


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate gives the golden boxes."""

    passed: bool
    reason: str


class Subject:
    """A candidate, loaded in a process of its own.

    Between two questions the process is stopped: threads of engines spin for up to 0.2 s after their work,
    which would be at the cost of whoever is measured next.

    Args:
        candidate: What to run.
        network: What to run it on.
        on_wait: Called now and then while it works, to read sensors for example.

    Raises:
        EngineError: It cannot be loaded, or its process ended.
    """

    def __init__(
        self, candidate: Candidate, network: Network, on_wait: Callable[[], object] | None = None
    ) -> None:
        self.candidate = candidate
        self._on_wait = on_wait
        self._unread = b""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        spec = {
            "candidate": dataclasses.asdict(candidate),
            "bundle": str(network.bundle),
            "size_hw": network.size_hw,
            "letterbox": network.letterbox,
            "source": network.source,
            "root": network.root,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(spec), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        try:
            self._answer()
            self._process.send_signal(signal.SIGSTOP)
        except BaseException:
            self.close()
            raise

    def check(self) -> Verdict:
        """Runs the bundle's golden image through this configuration."""
        return Verdict(**self._ask({"do": "check"}))

    def run(self, frames: int, *, overlap: bool = False) -> Block:
        """Detects in so many frames of each worker, one after the other or overlapped as ``run`` does."""
        return Block(**self._ask({"do": "run", "frames": frames, "overlap": overlap}))

    def close(self) -> None:
        """Ends the process; may be called twice."""
        self._process.kill()  # it holds nothing that has to be finished
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Subject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        pipe = self._process.stdin
        assert pipe is not None  # it was asked for
        self._process.send_signal(signal.SIGCONT)
        try:
            os.write(pipe.fileno(), json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._ended() from None
        answer = self._answer()
        self._process.send_signal(signal.SIGSTOP)
        return answer

    def _answer(self) -> dict[str, Any]:
        pipe = self._process.stdout
        assert pipe is not None  # it was asked for
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while b"\n" not in self._unread:
            if time.monotonic() > deadline:
                raise EngineError(f"{self.candidate.describe()}: no answer in {ANSWER_TIMEOUT_S:.0f} s")
            if not select.select([pipe], [], [], _LOOK_EVERY_S)[0]:
                if self._on_wait is not None:
                    self._on_wait()
                continue
            received = os.read(pipe.fileno(), 1 << 16)
            if not received:
                raise self._ended()
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        content: dict[str, Any] = json.loads(line)
        if "error" in content:
            raise EngineError(content["error"])
        return content

    def _ended(self) -> EngineError:
        """What is known of a process that ended by itself."""
        code = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return EngineError(f"its process {how}" + (f": {said[-1]}" if said else ""))


def warm_up(
    subject: Subject,
    *,
    overlap: bool = False,
    limit_s: float = WARM_UP_S,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Runs a candidate until it gets no faster.

    Args:
        subject: What to warm up.
        overlap: How it will be measured.
        limit_s: Stop after so many seconds, however that is.
        clock: ``time.monotonic``, or a test's.

    Returns:
        Milliseconds of a frame, the last ones' median.
    """
    deadline = clock() + limit_s
    before = subject.run(_FIRST_FRAMES, overlap=overlap).frame_ms
    while clock() < deadline:
        latest = subject.run(frames_of_a_block(before, _STEP_S), overlap=overlap).frame_ms
        if latest > before * _STEADY:
            return latest
        before = latest
    return before


def frames_of_a_block(frame_ms: float, block_s: float, least: int = 2, most: int = 200) -> int:
    """How many frames fill a block of about ``block_s`` seconds."""
    return max(least, min(most, round(block_s * 1e3 / max(frame_ms, 1e-3))))
