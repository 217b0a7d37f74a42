"""Whether the memory of a run grows: two videos, each over and over, for some minutes.

    python benchmarks/run_memory.py BUNDLE VIDEO [--minutes 3] [--fps 0] [--engine NAME] [--out FILE]

With ``--fps N`` each video comes at that rate, as from a camera, without it as fast as it is taken. Prints
the resident memory of the second minute and of the last one, and fails when the last differs by more than
2 %. At least 3 minutes, so that these are two. Beside it stands the part that is not mapped from files:
those pages the kernel takes away and reads again as it likes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
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

    def __init__(self, video: str, name: str, fps: float) -> None:
        self.name = name
        self._video = video
        self._interval_s = 1 / fps if fps else 0.0
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[FrameOrFailure]:
        due = time.monotonic()
        while True:
            for item in open_sources([self._video])[0]:
                if self._closed.wait(max(0.0, due - time.monotonic())):
                    return
                yield item
                due = max(due + self._interval_s, time.monotonic() - 1)  # after a pause no burst to catch up

    def close(self) -> None:
        self._closed.set()


class Memory(Sink):
    """Samples this process's resident memory each second and ends the run in time."""

    def __init__(self, seconds: float) -> None:
        self.samples: list[tuple[float, int, int]] = []
        self._started = time.monotonic()
        self._seconds = seconds

    def write(self, frame: Frame, detections: Detections) -> None:
        passed = time.monotonic() - self._started
        if passed >= self._seconds:
            raise StopRun
        if passed >= len(self.samples):
            resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
            page = os.sysconf("SC_PAGE_SIZE")
            self.samples.append((passed, resident * page, (resident - shared) * page))

    def median(self, from_s: float, to_s: float) -> tuple[float, float]:
        """Bytes that are resident, and those of them that are no file's."""
        within = [sample for sample in self.samples if from_s <= sample[0] < to_s]
        return statistics.median(s[1] for s in within), statistics.median(s[2] for s in within)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("video")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--fps", type=float, default=0, help="frames per second of each video (unbounded)")
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
        sources = [Looped(args.video, name, args.fps) for name in ("first", "second")]
        figures = run(detector, sources, [lines, memory], options=DetectOptions())
        engine = detector.engine
    second, own_second = memory.median(60, 120)
    last, own_last = memory.median(seconds - 60, seconds)
    growth = last / second - 1
    report = {
        "machine": describe_machine("onnxruntime", "openvino", "ncnn", "numpy", "opencv-python-headless"),
        "bundle": args.bundle.name,
        "engine": engine,
        "minutes": args.minutes,
        "fps_of_each": args.fps or None,
        "frames": {name: source.frames for name, source in figures.sources.items()},
        "second_minute_mb": round(second / 1e6, 2),
        "last_minute_mb": round(last / 1e6, 2),
        "growth": round(growth, 5),
        "second_minute_no_file_mb": round(own_second / 1e6, 2),
        "last_minute_no_file_mb": round(own_last / 1e6, 2),
        "growth_no_file": round(own_last / own_second - 1, 5),
        "by_minute_no_file_mb": [
            round(memory.median(60 * minute, 60 * minute + 60)[1] / 1e6, 2)
            for minute in range(int(args.minutes))
        ],
    }
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    if abs(growth) > MOST:
        raise SystemExit(f"the memory of the last minute differs by {growth:+.1%} from the second minute's")


if __name__ == "__main__":
    main()
