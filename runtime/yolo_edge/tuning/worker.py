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
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.bundle import load_bundle
from yolo_edge.check import MIN_BOX_AGREEMENT, CheckResult, check_bundle
from yolo_edge.detections import Detections
from yolo_edge.detector import Detector
from yolo_edge.errors import BundleError, EngineError, MissingExtraError, SourceError
from yolo_edge.scene import draw_scene
from yolo_edge.sources import FailedFrame, open_sources
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
        self._images = _frames(spec["source"]) if spec["source"] else itertools.repeat(_drawn())
        self._decodes = bool(spec["source"])
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
        started = time.perf_counter()
        found = detect(frames)
        wall_s = time.perf_counter() - started
        return {
            "frames": len(found),
            "wall_s": wall_s,
            "cpu_s": time.process_time() - cpu_before,
            "joules": self._energy.joules_since(energy_before) if self._energy.available else None,
            "times_ms": {stage: [frame[stage] for frame in found] for stage in found[0]},
        }

    def _one_by_one(self, frames: int) -> list[dict[str, float]]:
        detector, results = self.detectors[0], []
        for _ in range(frames):
            started = time.perf_counter()
            image = next(self._images)
            decoded = time.perf_counter()
            found = detector.detect(image)
            finished = time.perf_counter()
            decode = {"decode": (decoded - started) * 1e3} if self._decodes else {}
            results.append({"pipeline": (finished - started) * 1e3, **decode, **_stages(found)})
        return results

    def _overlapped(self, frames: int) -> list[dict[str, float]]:
        """As ``run`` does with files: while an engine computes one frame the next is made ready."""
        results: list[list[dict[str, float]]] = [[] for _ in self.detectors]
        faults: list[Exception] = []

        def work(detector: Detector, mine: list[dict[str, float]]) -> None:
            before = time.perf_counter()
            try:
                for found in detector.detect_stream(itertools.islice(self._images, frames)):
                    now = time.perf_counter()
                    mine.append({"pipeline": (now - before) * 1e3, **_stages(found)})
                    before = now
            except EngineError as error:
                faults.append(error)

        threads = [threading.Thread(target=work, args=pair) for pair in zip(self.detectors[1:], results[1:])]
        for thread in threads:
            thread.start()
        work(self.detectors[0], results[0])
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]
        return list(itertools.chain.from_iterable(results))


def failed_part(result: CheckResult) -> str:
    """What of a failed check was out of tolerance."""
    faults = []
    if not result.letterbox_exact:
        faults.append("the letterbox differs")
    if result.max_head_error > result.head_tolerance:
        faults.append(f"heads differ by {result.max_head_error:.1e} (limit {result.head_tolerance:.0e})")
    if result.box_agreement < MIN_BOX_AGREEMENT:
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


def _drawn() -> Image:
    return draw_scene(_DRAWN_HW, seed=0)


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
