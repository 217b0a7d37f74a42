"""A process in which one candidate is measured: it loads the engines, then obeys JSON lines.

A process of its own for each, because an engine that crashes must not end the measurement, because engines
share thread pools within a process, and because ``yolo-edge run`` too has its process to itself.

Started by :class:`yolo_edge.tuning.measure.Subject` with a JSON object as its first argument. Answers go to
what was standard output; what engines print there goes to standard error.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from yolo_edge.bundle import load_bundle
from yolo_edge.checking import CheckResult, check_bundle
from yolo_edge.cpu_plan import plan_cpus
from yolo_edge.detections import Detections
from yolo_edge.detector import Detector
from yolo_edge.errors import BundleError, EngineError, MissingExtraError, SourceError
from yolo_edge.options import DetectOptions
from yolo_edge.packages import require_cv2
from yolo_edge.pipeline import run
from yolo_edge.scene import draw_scene
from yolo_edge.sinks import Sink
from yolo_edge.sources import FailedFrame, Frame, Source, open_sources
from yolo_edge.sources.base import FrameOrFailure
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.conditions import EnergyMeter

_DRAWN_HW = (720, 1280)
"""Of the picture that is used when there is no source: what most cameras give."""

_PR_SET_PDEATHSIG = 1
"""From Linux's ``prctl.h``."""

Image = npt.NDArray[np.uint8]


def main() -> None:
    """Answers what comes in on standard input, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches whoever started us, and that ends us
    ctypes.CDLL(None).prctl(
        _PR_SET_PDEATHSIG, signal.SIGKILL
    )  # so does its own end, while we are stopped too
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spec = json.loads(sys.argv[1])

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        with ExitStack() as stack:
            rig = Rig(spec, stack)
            answer({"ready": True})
            for line in sys.stdin:
                request = json.loads(line)
                answer(getattr(rig, request.pop("do"))(**request))
    except (BundleError, EngineError, MissingExtraError, SourceError, ValueError) as error:
        answer({"error": str(error)})


class Rig:
    """A candidate's engines and its images."""

    def __init__(self, spec: dict[str, Any], stack: ExitStack) -> None:
        self.candidate = Candidate(**spec["candidate"])
        self.bundle = load_bundle(spec["bundle"])
        network = {"imgsz": spec["size_hw"], "letterbox": spec["letterbox"]}
        self.detectors = [
            stack.enter_context(Detector(self.bundle, **self.candidate.detector_arguments(worker), **network))
            for worker in range(self.candidate.workers)
        ]
        drawn = None if spec["source"] else draw_scene(_DRAWN_HW, seed=0)
        self._images = _frames(spec["source"]) if drawn is None else itertools.repeat(drawn)
        self._decoded = self._images if drawn is None else _decoded(drawn)
        self._decodes = drawn is None
        self._other_cpus = plan_cpus(affinity=self.candidate.cpus).other_cpus
        self._energy = EnergyMeter(spec["root"])

    def check(self) -> dict[str, Any]:
        """The golden boxes in this configuration."""
        result = check_bundle(self.bundle, **self.candidate.detector_arguments())
        return {"passed": result.passed, "reason": "" if result.passed else failed_part(result)}

    def run(self, frames: int, overlap: bool) -> dict[str, Any]:
        """Detects in so many frames, after one that does not count: another process had the caches before."""
        detect = self._overlapped if overlap else self._one_by_one
        detect(1)
        energy_before, cpu_before = self._energy.read(), time.process_time()
        found, wall_s = detect(frames)
        return {
            "frames": len(found),
            "wall_s": wall_s,
            "cpu_s": time.process_time() - cpu_before,
            "joules": self._energy.joules_since(energy_before) if self._energy.available else None,
            "times_ms": {stage: [frame[stage] for frame in found] for stage in found[0]},
        }

    def _one_by_one(self, frames: int) -> tuple[list[dict[str, float]], float]:
        """The times of each frame, and of all together in seconds."""
        detector, results = self.detectors[0], []
        begun = time.perf_counter()
        for _ in range(frames):
            started = time.perf_counter()
            image = next(self._images)
            decoded = time.perf_counter()
            found = detector.detect(image)
            finished = time.perf_counter()
            decode = {"decode": (decoded - started) * 1e3} if self._decodes else {}
            results.append({"pipeline": (finished - started) * 1e3, **decode, **_stages(found)})
        return results, time.perf_counter() - begun

    def _overlapped(self, frames: int) -> tuple[list[dict[str, float]], float]:
        """The same of what ``run`` does with a file: reads, computes and hands out at the same time."""
        workers = len(self.detectors)
        clock = _Clock(time.perf_counter())
        stream = _Stream(itertools.islice(self._decoded, frames * workers))
        run(self.detectors, [stream], [clock], options=DetectOptions(), cpus=self._other_cpus)
        return clock.frames(workers), clock.steady_s(workers)


class _Stream(Source):
    """Images, read ahead as those of a file are."""

    may_run_ahead: ClassVar[bool] = True
    name = "measured"
    frame_count = None

    def __init__(self, images: Iterator[Image]) -> None:
        self._images = images

    def __iter__(self) -> Iterator[FrameOrFailure]:
        for index, image in enumerate(self._images):
            yield Frame(image, self.name, index, 0.0, time.time(), time.monotonic())


class _Clock(Sink):
    """When results came, and how long their stages took."""

    def __init__(self, started: float) -> None:
        self._times = [started]
        self._stages: list[dict[str, float]] = []

    def write(self, frame: Frame, detections: Detections) -> None:
        self._times.append(time.perf_counter())
        self._stages.append(_stages(detections))

    def fail(self, failed: FailedFrame) -> None:
        raise SourceError(failed.error)

    def frames(self, workers: int) -> list[dict[str, float]]:
        """The stages of each frame; ``pipeline`` is the time in which each worker finished one."""
        before = self._times[:1] * (workers - 1) + self._times
        return [
            {"pipeline": (at - earlier) * 1e3, **stages}
            for earlier, at, stages in zip(before, self._times[1:], self._stages)
        ]

    def steady_s(self, workers: int) -> float:
        """Seconds for as many frames, without each worker's first, which nothing overlapped."""
        later = len(self._stages) - workers
        if later < 1:
            return self._times[-1] - self._times[0]
        return (self._times[-1] - self._times[workers]) * len(self._stages) / later


def failed_part(result: CheckResult) -> str:
    """What of a failed check was out of tolerance."""
    faults = []
    if not result.letterbox_exact:
        faults.append("the letterbox differs")
    if result.max_head_error > result.head_tolerance:
        faults.append(f"heads differ by {result.max_head_error:.1e} (limit {result.head_tolerance:.0e})")
    if result.box_agreement < result.min_box_agreement:
        faults.append(f"{result.box_agreement:.1%} of {result.boxes} boxes agree")
    return "check failed: " + ", ".join(faults)


def _stages(found: Detections) -> dict[str, float]:
    times = found.times
    if times is None:
        raise EngineError("the engine gave no times")
    return {
        "letterbox": times.letterbox_ms,
        "inference": times.inference_ms,
        "postprocess": times.postprocess_ms,
        "engine": (times.engine_to_s - times.engine_from_s) * 1e3,
    }


def _decoded(image: Image) -> Iterator[Image]:
    """An image over and over, decoded each time from JPEG, as cameras and photographs come."""
    cv2 = require_cv2("decoding images")
    encoded = cv2.imencode(".jpg", image)[1]
    while True:
        yield cv2.imdecode(encoded, cv2.IMREAD_COLOR)


def _frames(spec: str) -> Iterator[Image]:
    """The frames of a source, again from its start when it ends."""
    while True:
        count = 0
        for source in open_sources([spec]):
            with source:
                if source.live:
                    raise SourceError(f"{spec}: a camera cannot be measured with; give a file")
                for item in source:
                    if isinstance(item, FailedFrame):
                        raise SourceError(item.error)
                    count += 1
                    yield item.image
        if count == 0:
            raise SourceError(f"{spec}: holds no frame")
