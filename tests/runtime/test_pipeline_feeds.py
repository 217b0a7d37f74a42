"""Which frames of which source are taken, when, and in what order."""

from __future__ import annotations

import threading
import time

import pytest
from pipeline_sources import TIMEOUT_S, FileSource, HangingSource, LiveSource, frame, wait_until

from yolo_edge._core import CpuSet
from yolo_edge.errors import SourceError
from yolo_edge.pipeline import feeds as pipeline_feeds
from yolo_edge.pipeline.feed import FILE_DEPTH, Fault, Taken
from yolo_edge.pipeline.feeds import Feeds
from yolo_edge.sources import FailedFrame, Frame
from yolo_edge.sources.arrays import ArraySource


def _all(feeds: Feeds) -> list[Taken]:
    """Everything, each delivered before the next is taken."""
    found = []
    while (taken := feeds.take(0)) is not None:
        found.append(taken)
        feeds.deliver(taken.feed)
    return found


def _started(*sources, **options) -> Feeds:
    feeds = Feeds(sources, **options)
    feeds.start()
    return feeds


@pytest.mark.parametrize("count", [0, 1, 2, 3, 40])
def test_a_file_comes_whole_in_order_and_is_closed(count: int) -> None:
    source = FileSource("a", count)
    found = _all(_started(source))
    assert [taken.item.index for taken in found] == list(range(count))
    assert [taken.number for taken in found] == list(range(count))
    wait_until(source.closed.is_set)


def test_no_sources_at_all() -> None:
    assert _started().take(0) is None


def test_a_file_is_read_ahead_but_not_far() -> None:
    source = FileSource("a", 100)
    feeds = _started(source)
    wait_until(lambda: source.read == FILE_DEPTH)
    feeds.take(0)
    wait_until(lambda: source.read == FILE_DEPTH + 1)
    feeds.stop()
    assert source.read == FILE_DEPTH + 1
    assert source.closed.is_set()


def test_a_live_source_is_asked_when_a_frame_is_wanted() -> None:
    source = LiveSource("cam")
    feeds = _started(source)
    for index in range(5):
        source.push(frame(index, "cam"))
    assert source.asked == 0
    taken = feeds.take(0)
    assert (taken.item.index, source.asked, source.dropped) == (4, 1, 4)
    feeds.deliver(taken.feed)
    source.push(frame(5, "cam"))
    source.push(frame(6, "cam"))
    assert source.asked == 1
    assert feeds.take(0).item.index == 6
    feeds.deliver(taken.feed)
    source.push(None)
    assert feeds.take(0) is None


def test_a_failure_of_a_live_source_comes_in_its_place() -> None:
    source = LiveSource("cam")
    feeds = _started(source)
    for item in (frame(0, "cam"), FailedFrame("cam", 1, 0.0, "gone"), frame(2, "cam"), frame(3, "cam")):
        source.push(item)
    found = []
    for _ in range(3):
        found.append(feeds.take(0).item)
        feeds.deliver(feeds.all[0])
    assert [item.index for item in found] == [0, 1, 3]
    assert isinstance(found[1], FailedFrame)
    feeds.stop()


def test_a_live_source_without_frames_lets_the_others_have_their_turn() -> None:
    dead, live, file = LiveSource("dead"), LiveSource("cam"), FileSource("a", 99)
    feeds = _started(dead, live, file)
    names = []
    for index in range(6):
        live.push(frame(index, "cam"))
        wait_until(lambda: bool(feeds.all[2].waiting))
        names.append(feeds.take(0).item.source)
        feeds.deliver(feeds.all[1 if names[-1] == "cam" else 2])
    assert names.count("cam") >= 2
    assert names.count("a") >= 2
    assert dead.asked == 1
    dead.push(frame(0, "dead"))
    wait_until(lambda: bool(feeds.all[0].waiting))
    assert "dead" in {feeds.take(0).item.source for _ in range(3)}
    feeds.stop()


def test_sources_take_turns() -> None:
    feeds = _started(FileSource("a", 4), FileSource("b", 2), FileSource("c", 3))
    names = []
    while True:
        wait_until(lambda: all(feed.waiting or feed.ended for feed in feeds.all))
        if (taken := feeds.take(0)) is None:
            break
        names.append(taken.item.source)
        feeds.deliver(taken.feed)
    assert names == [*"abcabc", *"aca"]


def test_who_holds_a_frame_waits_for_no_other() -> None:
    file = HangingSource("a", 1)
    feeds = _started(file)
    assert feeds.take(0).item.index == 0
    assert feeds.take(1) is None
    file.released.set()
    feeds.stop()


def test_no_frame_waits_in_an_engine_beside_a_live_source() -> None:
    file, live = FileSource("a", 9), LiveSource("cam")
    feeds = _started(file, live)
    assert isinstance(feeds.take(0).item, Frame)
    wait_until(lambda: len(feeds.all[0].waiting) == FILE_DEPTH)
    assert feeds.take(1) is None
    live.push(None)
    assert isinstance(feeds.take(0).item, Frame)
    wait_until(lambda: feeds.all[1].ended and bool(feeds.all[0].waiting))
    assert feeds.take(1) is not None, "once the live source has ended"
    feeds.stop()


def test_results_that_are_not_out_bound_what_is_taken() -> None:
    feeds = _started(FileSource("a", 99), workers=1, slots=2)
    (feed,) = feeds.all

    def taken_now() -> list[Taken]:
        found = []
        while feed.taken - feed.delivered < feed.window:
            wait_until(lambda: bool(feed.waiting))
            found.append(feeds.take(1))
        return found

    assert len(taken_now()) == feed.window == 5
    wait_until(lambda: len(feed.waiting) == FILE_DEPTH)
    assert feeds.take(1) is None
    feeds.deliver(feed)
    assert feeds.take(1) is not None
    feeds.stop()


def test_images_of_a_program_are_asked_for_one_at_a_time() -> None:
    asked: list[int] = []

    def images():
        for number in range(3):
            asked.append(number)
            yield frame(0).image

    feeds = _started(ArraySource(images()))
    for number in range(3):
        taken = feeds.take(0)
        assert (taken.item.index, len(asked)) == (number, number + 1)
        feeds.deliver(taken.feed)
    assert feeds.take(0) is None


def test_so_many_files_at_once_and_the_others_after_them() -> None:
    files = [FileSource(name, 2) for name in "abc"]
    found = _all(_started(*files, files_at_once=1))
    assert [taken.item.source for taken in found] == [*"aabbcc"]
    files = [FileSource(name, 9) for name in "abc"]
    live = LiveSource("cam")
    feeds = _started(live, *files, files_at_once=2)
    wait_until(lambda: all(file.read == FILE_DEPTH for file in files[:2]))
    assert files[2].read == 0
    live.push(frame(0, "cam"))
    live.push(None)
    assert len(_all(feeds)) == 28


def test_a_source_that_fails_does_not_stop_the_others() -> None:
    feeds = _started(FileSource("a", 2, SourceError("a: the disk is gone")), FileSource("b", 9))
    found = _all(feeds)
    assert len(found) == 12
    (failed,) = [taken.item for taken in found if isinstance(taken.item, FailedFrame)]
    assert (failed.source, failed.error) == ("a", "a: the disk is gone")


def test_an_unknown_error_comes_as_a_fault_after_the_frames() -> None:
    found = _all(_started(FileSource("a", 2, ZeroDivisionError("oh"))))
    assert [type(taken.item) for taken in found] == [Frame, Frame, Fault]


def test_a_source_that_hangs_holds_up_neither_the_others_nor_the_end() -> None:
    hanging, file = HangingSource("a", 1), FileSource("b", 30)
    feeds = _started(hanging, file)
    assert hanging.hangs.wait(60)
    found = []
    for _ in range(31):
        found.append(feeds.take(0))
        feeds.deliver(found[-1].feed)
    assert [taken.item.index for taken in found if taken.item.source == "b"] == list(range(30))
    started = time.monotonic()
    feeds.stop()
    assert time.monotonic() - started < 30, "although reading and closing hang"
    assert hanging.closed.is_set()
    hanging.released.set()


def test_the_end_comes_while_a_live_source_that_hangs_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_feeds, "ASK_TIMEOUT_S", TIMEOUT_S)
    source = HangingSource("cam")
    monkeypatch.setattr(source, "live", True, raising=False)
    feeds = _started(source)
    taker = threading.Thread(target=feeds.take, args=(0,), daemon=True)
    taker.start()
    try:
        assert source.hangs.wait(TIMEOUT_S)
        feeds.stop()
        taker.join(TIMEOUT_S / 2)
        assert not taker.is_alive()
    finally:
        source.released.set()


def test_a_live_source_is_asked_again_while_another_one_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_feeds, "ASK_TIMEOUT_S", 0.5)
    live, hanging = LiveSource("cam"), HangingSource("hanging")
    monkeypatch.setattr(hanging, "live", True, raising=False)
    feeds = Feeds([live, hanging], workers=2)
    feeds.start()
    taken: list[Taken | None] = []
    takers = [threading.Thread(target=lambda: taken.append(feeds.take(0)), daemon=True) for _ in range(2)]
    try:
        takers[0].start()
        wait_until(lambda: feeds.all[0].asked)
        takers[1].start()
        assert hanging.hangs.wait(TIMEOUT_S)
        # The first taker gets it while the second one waits for the source that hangs.
        live.push(frame(0, "cam"))
        takers[0].join(TIMEOUT_S)
        live.push(frame(1, "cam"))
        takers[1].join(10.0)
        assert [each.item.index for each in taken if each is not None] == [0, 1]
    finally:
        hanging.released.set()
        feeds.stop()


def test_a_reader_that_cannot_have_its_cpus_ends_the_run() -> None:
    feeds = Feeds([FileSource("file", 1)], cpus=CpuSet("900"))
    feeds.start()
    (taken,) = _all(feeds)
    assert isinstance(taken.item, Fault)
    assert "900" in str(taken.item.error)


def test_sources_of_the_same_name_are_told_apart() -> None:
    feeds = _started(FileSource("a", 2), FileSource("a", 1), FileSource("a#2", 1))
    sources = sorted((taken.item.source, taken.item.index) for taken in _all(feeds))
    assert sources == [("a", 0), ("a", 1), ("a#2", 0), ("a#2#2", 0)]


def test_stopped_before_it_began_it_closes_all() -> None:
    files = [FileSource(name, 2) for name in "ab"]
    Feeds(files).stop()
    assert all(file.closed.is_set() for file in files)
