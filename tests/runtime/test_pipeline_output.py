"""The order of results, and what a slow output does."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from pipeline_sources import FileSource, LiveSource, Memory, frame, wait_until

from yolo_edge import Detections
from yolo_edge.pipeline import RunStatistics
from yolo_edge.pipeline.feed import Fault, Feed, Taken
from yolo_edge.pipeline.feeds import Feeds
from yolo_edge.pipeline.output import FILE_DEPTH, Output, Result
from yolo_edge.sinks import StopRun
from yolo_edge.sources import FailedFrame, Source

NOTHING = Detections(np.empty((0, 4)), np.empty(0), np.empty(0), ())


def _output(*sources: Source, **options) -> tuple[Output, list[Feed], Memory, RunStatistics]:
    feeds, memory, statistics = Feeds(sources), Memory(), RunStatistics()
    return Output(feeds, [memory], statistics=statistics, **options), feeds.all, memory, statistics


def _put(output: Output, feed: Feed, number: int) -> None:
    taken = frame(number, feed.label)
    output.put(Taken(feed, number, taken), Result(taken, NOTHING, taken.captured_clock + number))


def test_results_of_a_source_come_in_order_whoever_is_first() -> None:
    output, (a, b), memory, _ = _output(FileSource("a", 0), FileSource("b", 0))
    done = threading.Thread(target=output.deliver)
    done.start()
    for feed, number in ((a, 2), (b, 0), (a, 1), (b, 1), (a, 0)):
        _put(output, feed, number)
    wait_until(lambda: len(memory.seen) == 5)
    assert [index for source, index in memory.seen if source == "a"] == [0, 1, 2]
    assert memory.seen[:2] == [("b", 0), ("b", 1)]
    output.worker_ended()
    done.join(60)
    assert not done.is_alive()


def test_failures_keep_their_place_and_a_fault_ends_it_in_its_turn() -> None:
    output, (feed,), memory, statistics = _output(FileSource("a", 0))
    output.put(Taken(feed, 2, None), Fault(ZeroDivisionError("oh")))
    output.put(Taken(feed, 1, None), FailedFrame("a", 1, 0.0, "broken"))
    threading.Thread(target=_put, args=(output, feed, 0), daemon=True).start()
    with pytest.raises(ZeroDivisionError, match="oh"):
        output.deliver()
    assert (memory.seen, memory.failed) == ([("a", 0)], ["broken"])
    assert (statistics.frames, statistics.failures, statistics.sources["a"].failures) == (1, 1, 1)


def test_ages_are_measured_when_the_result_is_ready() -> None:
    output, (feed,), memory, statistics = _output(FileSource("a", 0))
    for number in range(FILE_DEPTH):  # the frame's age is as many seconds
        _put(output, feed, number)
    output.worker_ended()
    output.deliver()
    ages_ms = [frame.age_ms for frame in memory.frames]
    assert ages_ms == pytest.approx([0, 1000])
    assert statistics.sources["a"].ages.max_ms == ages_ms[-1]


def test_enough_frames_in_all() -> None:
    output, (a, b), memory, _ = _output(FileSource("a", 0), FileSource("b", 0), max_frames=3)
    for number in range(2):
        for feed in (a, b):
            threading.Thread(target=_put, args=(output, feed, number), daemon=True).start()
    with pytest.raises(StopRun):
        output.deliver()
    assert len(memory.seen) == 3
    output.stop()


@pytest.mark.parametrize(
    ("source", "depth"),
    [pytest.param(FileSource("a", 0), FILE_DEPTH, id="file"), pytest.param(LiveSource("a"), 0, id="live")],
)
def test_a_worker_waits_for_slow_outputs(source: Source, depth: int) -> None:
    output, (feed,), memory, _ = _output(source)
    gone_on = [threading.Event() for _ in range(depth + 1)]

    def work() -> None:
        for number, event in enumerate(gone_on):
            _put(output, feed, number)
            event.set()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert all(event.wait(60) for event in gone_on[:depth])
    time.sleep(0.05)  # it must not go on; there is no event for that
    assert not gone_on[depth].is_set()
    output.worker_ended()
    output.deliver()
    assert gone_on[depth].wait(60)
    assert len(memory.seen) == depth + 1


def test_stopping_lets_no_worker_wait() -> None:
    output, (feed,), _, _ = _output(LiveSource("a"))
    worker = threading.Thread(target=_put, args=(output, feed, 0), daemon=True)
    worker.start()
    output.stop()
    worker.join(60)
    assert not worker.is_alive()
    output.deliver()
