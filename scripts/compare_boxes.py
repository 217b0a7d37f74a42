#!/usr/bin/env python3
"""Compares the boxes of two JSON Lines files, frame by frame; nothing but Python's standard library.

A box agrees when the other file has one of its class for the same image with at least the given IoU, each box
being taken once, and a confidence that is near enough. Boxes of either file without a partner count against
it. The exit code says if enough do.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

Box = dict  # of one detection: class_id, confidence, xyxy


def _iou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / whole if whole > 0 else float(a == b)


def _frames(path: Path) -> dict[str, list[Box]]:
    frames: dict[str, list[Box]] = {}
    for line in path.read_text().splitlines():
        frame = json.loads(line)
        if "error" in frame:
            raise SystemExit(f"{path}: {frame['source']}: {frame['error']}")
        frames[f"{Path(frame['source']).name} {frame['frame']}"] = frame["detections"]
    return frames


def _pairs(
    expected: list[Box], actual: list[Box], least: float, furthest: float
) -> list[tuple[float, float]]:
    """IoU and difference in confidence of the boxes that agree, best first, each box once."""
    candidates = sorted(
        (
            (_iou(a["xyxy"], b["xyxy"]), -abs(a["confidence"] - b["confidence"]), i, j)
            for i, a in enumerate(expected)
            for j, b in enumerate(actual)
            if a["class_id"] == b["class_id"]
        ),
        reverse=True,
    )
    taken_i: set[int] = set()
    taken_j: set[int] = set()
    pairs = []
    for iou, difference, i, j in candidates:
        if iou >= least and -difference <= furthest and i not in taken_i and j not in taken_j:
            taken_i.add(i)
            taken_j.add(j)
            pairs.append((iou, -difference))
    return pairs


def main() -> None:
    """Prints one line; exit code 1 when too few boxes agree, or the files are of different images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("expected", type=Path)
    parser.add_argument("actual", type=Path)
    parser.add_argument("--iou", type=float, default=0.99, help="least IoU of boxes that agree (%(default)s)")
    parser.add_argument(
        "--confidence", type=float, default=1.0, help="largest difference of boxes that agree (%(default)s)"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of all boxes, at least (%(default)s)")
    arguments = parser.parse_args()

    expected = _frames(arguments.expected)
    actual = _frames(arguments.actual)
    if expected.keys() != actual.keys():
        sys.exit(f"different frames: {sorted(expected.keys() ^ actual.keys())}")
    pairs = []
    boxes = 0
    for name, wanted in expected.items():
        agreeing = _pairs(wanted, actual[name], arguments.iou, arguments.confidence)
        boxes += len(wanted) + len(actual[name]) - len(agreeing)
        pairs += agreeing
    if not boxes:
        sys.exit("no boxes at all: that compares nothing")
    share = len(pairs) / boxes
    print(
        f"{len(pairs)} of {boxes} boxes agree ({share:.2%}) in {len(expected)} images; "
        f"worst IoU {min((iou for iou, _ in pairs), default=0):.4f}, "
        f"largest difference in confidence {max((d for _, d in pairs), default=0):.4f}"
    )
    if share < arguments.share:
        sys.exit(f"that is less than {arguments.share:.2%}")


if __name__ == "__main__":
    main()
