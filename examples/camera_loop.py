"""Counts people in front of a camera and says when the number changes.

    python examples/camera_loop.py best.edge cam0

Works with anything that ``yolo-edge run`` takes as a source. One loaded detector, one callback a frame.
"""

from __future__ import annotations

import sys

from yolo_edge import Detections, Detector, watch
from yolo_edge.sources import Frame


class Counter:
    """Remembers the last number of people."""

    def __init__(self) -> None:
        self.people = -1

    def __call__(self, frame: Frame, detections: Detections) -> None:
        """Takes the result of one frame."""
        people = detections.class_names.count("person")
        if people != self.people:
            self.people = people
            print(f"{frame.source} {frame.time_s:.1f} s: {people} people", flush=True)


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: camera_loop.py BUNDLE SOURCE")
    bundle, source = sys.argv[1:]
    with Detector(bundle) as detector:
        watch(detector, source, Counter(), on_failure=lambda failed: print(failed.error, file=sys.stderr))


if __name__ == "__main__":
    main()
