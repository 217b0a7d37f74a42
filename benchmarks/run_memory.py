"""Whether the memory of a run grows: two videos, each over and over, for some minutes.

    python benchmarks/run_memory.py BUNDLE VIDEO [--minutes 3] [--engine NAME] [--out FILE]

Prints the resident memory of the second minute and of the last one, and fails when they differ by more than
2 %. At least 3 minutes, so that these are two.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pairs import describe_machine

from yolo_edge import Detections, DetectOptions, Detector
from yolo_edge.pipeline import run
from yolo_edge.sinks import Sink, StopRun
from yolo_edge.sinks.jsonl import JsonLinesSink
from yolo_edge.sources import Frame, Source, open_sources
from yolo_edge.sources.base import FrameOrFailure

MOST = 0.02


class Looped(Source):
    """A video that begins again when it ends."""

    may_run_ahead: ClassVar[bool] = True
    frame_count = None

    def __init__(self, video: str, name: str) -> None:
        self.name = name
        self._video = video

    def __iter__(self) -> Iterator[FrameOrFailure]:
        while True:
            yield from open_sources([self._video])[0]


class Memory(Sink):
    """Samples this process's resident memory each second and ends the run in time."""

    def __init__(self, seconds: float) -> None:
        self.samples: list[tuple[float, int]] = []
        self._started = time.monotonic()
        self._seconds = seconds

    def write(self, frame: Frame, detections: Detections) -> None:
        passed = time.monotonic() - self._started
        if passed >= self._seconds:
            raise StopRun
        if passed >= len(self.samples):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.samples.append((passed, pages * os.sysconf("SC_PAGE_SIZE")))

    def median(self, from_s: float, to_s: float) -> float:
        return statistics.median(size for passed, size in self.samples if from_s <= passed < to_s)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("video")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    if args.minutes < 3:
        parser.error(f"--minutes is {args.minutes}; it must be at least 3")
    seconds = 60 * args.minutes
    memory = Memory(seconds)
    with (
        tempfile.TemporaryDirectory() as folder,
        Detector(args.bundle, engine=args.engine) as detector,
        JsonLinesSink(str(Path(folder) / "out.jsonl")) as lines,
    ):
        sources = [Looped(args.video, name) for name in ("first", "second")]
        figures = run(detector, sources, [lines, memory], options=DetectOptions())
        engine = detector.engine
    second, last = memory.median(60, 120), memory.median(seconds - 60, seconds)
    growth = last / second - 1
    report = {
        "machine": describe_machine("onnxruntime", "openvino", "ncnn", "numpy", "opencv-python-headless"),
        "bundle": args.bundle.name,
        "engine": engine,
        "minutes": args.minutes,
        "frames": {name: source.frames for name, source in figures.sources.items()},
        "second_minute_mb": round(second / 1e6, 2),
        "last_minute_mb": round(last / 1e6, 2),
        "growth": round(growth, 5),
    }
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    if abs(growth) > MOST:
        raise SystemExit(f"the memory of the last minute differs by {growth:+.1%} from the second minute's")


if __name__ == "__main__":
    main()
