from __future__ import annotations

from pathlib import Path

import pytest

from yolo_edge import SinkError
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.chart import draw_chart
from yolo_edge.tuning.comparison import ComparedRow
from yolo_edge.tuning.measure import Block

DECODE, INFERENCE = "#9aa5b1", "#2f6db5"


def row(label: str, slowest: float, *, decode: bool) -> ComparedRow:
    whole = [20.0] * 9 + [slowest]
    times = {"pipeline": whole, "letterbox": [1.0] * 10, "inference": [18.0] * 10, "postprocess": [0.5] * 10}
    if decode:
        times["decode"] = [2.0] * 10
    found = ComparedRow(Candidate("ncnn", True, "fp32", 4, "0-3"), label)
    found.blocks = [Block(10, 0.2, 0.1, times)]
    found.streams = [Block(10, 0.18, 0.1, times)]
    return found


@pytest.mark.parametrize("decode", [True, False], ids=["with a source", "without"])
def test_stages_are_drawn(tmp_path: Path, decode: bool) -> None:
    rows = [row("steady", 21.0, decode=decode), row("one bad percentile", 900.0, decode=decode)]
    draw_chart(rows, "v5lite-s", "Orange Pi 5", tmp_path / "c.svg")
    picture = (tmp_path / "c.svg").read_text()
    assert picture.count(INFERENCE) >= 2
    assert (DECODE in picture) == decode


def test_one_row_as_a_picture(tmp_path: Path) -> None:
    draw_chart([row("only", 21.0, decode=False)], "v5lite-s", "Orange Pi 5", tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_no_such_format(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"c\.xyz: cannot be written: "):
        draw_chart([row("only", 21.0, decode=False)], "v5lite-s", "Orange Pi 5", tmp_path / "c.xyz")
