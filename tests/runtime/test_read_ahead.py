from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from yolo_edge.read_ahead import read_ahead
from yolo_edge.val.evaluation import covered_s


def _readers() -> int:
    return sum(thread.name == "yolo-edge-read" for thread in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_all_items_in_order(count: int) -> None:
    assert [read.item for read in read_ahead(range(count))] == list(range(count))
    assert _readers() == 0


def test_reads_in_another_thread_and_no_further_than_told() -> None:
    taken: list[int] = []
    names: set[str] = set()

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            names.add(threading.current_thread().name)
            yield number

    reads = read_ahead(items(), depth=2)
    assert next(reads).item == 0
    deadline = time.monotonic() + 10
    while len(taken) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(taken) == 4, "one taken, two wait, one is in the thread's hands"
    assert names == {"yolo-edge-read"}
    reads.close()
    assert _readers() == 0
    assert len(taken) < 20


def test_what_reading_raises_comes_after_what_was_read() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    reads = read_ahead(items())
    assert next(reads).item == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(reads)
    assert _readers() == 0


def test_says_when_it_read() -> None:
    def items() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.02)
            yield number

    started = time.perf_counter()
    reads = list(read_ahead(items()))
    assert started <= reads[0].from_s
    assert all(read.to_s - read.from_s >= 0.02 for read in reads)
    assert all(before.to_s <= after.from_s for before, after in zip(reads, reads[1:]))


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([(1, 3)], 2, id="one"),
        pytest.param([(5, 6), (1, 3)], 3, id="apart, in any order"),
        pytest.param([(1, 3), (3, 4)], 3, id="touching"),
        pytest.param([(1, 3), (2, 5)], 4, id="overlapping"),
        pytest.param([(1, 9), (2, 3), (4, 5), (8, 10)], 9, id="nested"),
        pytest.param([(2, 2)], 0, id="empty"),
    ],
)
def test_time_that_intervals_cover(intervals: list[tuple[float, float]], expected: float) -> None:
    assert covered_s(intervals) == expected
