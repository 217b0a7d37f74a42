from __future__ import annotations

from pathlib import Path

import pytest

from yolo_edge import load_bundle
from yolo_edge._core import CpuTopology
from yolo_edge.progress import Progress
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.comparison import ComparedRow, ComparisonOptions, compare, new_comparison
from yolo_edge.tuning.measure import Block, network_of

CPUS = str(CpuTopology.read().allowed)


def test_rows_in_turn(tiny_bundle: Path) -> None:
    network = network_of(load_bundle(tiny_bundle))
    rows = [
        ComparedRow(Candidate("onnxruntime", False, "fp32", 1, CPUS), "first"),
        ComparedRow(Candidate("onnxruntime", False, "bf16", 1, CPUS), "impossible"),
        ComparedRow(Candidate("ncnn", False, "fp32", 1, CPUS), "second"),
    ]
    comparison = new_comparison(rows, network)
    compare(comparison, network, ComparisonOptions(pairs=11, warmup=1), progress=Progress(quiet=True))
    assert [row.label for row in comparison.measured] == ["first", "second"]
    assert "has no precision 'bf16'" in rows[1].fault
    for row in comparison.measured:
        assert [len(row.blocks), len(row.streams), len(row.times("pipeline"))] == [3, 3, 15]
        assert row.summary("engine")["median"] <= row.summary("inference")["median"]
        assert row.times("decode") == []
        assert row.pipeline_to_engine().median > 1
        assert min(row.fps, row.stream_fps, row.cpu_ms) > 0
    assert comparison.fastest.ratio_to(comparison.fastest).median == 1.0


def test_figures() -> None:
    def block(times_ms: list[float], wall_s: float) -> Block:
        engine = [time / 2 for time in times_ms]
        return Block(len(times_ms), wall_s, 0.1, {"pipeline": times_ms, "engine": engine})

    row = ComparedRow(Candidate("ncnn", True, "fp32", 1, "0"), "x")
    row.blocks = [block([10.0, 20.0], 0.03), block([20.0, 40.0], 0.06)]
    row.streams = [block([5.0, 5.0], 0.01), block([5.0, 5.0], 0.02), block([5.0, 5.0], 0.04)]
    assert row.summary("pipeline") == {"median": 20.0, "p95": 40.0, "min": 10.0}
    assert (row.fps, row.stream_fps, row.cpu_ms) == (50.0, 100.0, 50.0)
    assert row.pipeline_to_engine().median == 2.0


@pytest.mark.parametrize(
    ("pairs", "rounds"), [pytest.param(1, 1, id="one"), pytest.param(50, 10, id="fifty")]
)
def test_rounds(pairs: int, rounds: int) -> None:
    assert ComparisonOptions(pairs=pairs).rounds == rounds
