"""The part that all live sources share, on connections that do as they are told."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from yolo_edge.sources import CaptureOptions, FailedFrame, Frame
from yolo_edge.sources.live import Connection, DamagedPicture, LiveSource, Picture
from yolo_edge.sources.reconnect import StreamLost

IMAGE = np.zeros((4, 6, 3), np.uint8)
QUICK = CaptureOptions(first_delay_s=0.01, longest_delay_s=0.02, timeout_s=0.3)


class _Connection(Connection):
    def __init__(self, steps: list[Any], gate: threading.Semaphore) -> None:
        self.closed = False
        self._steps, self._gate = steps, gate

    def pictures(self) -> Iterator[Picture]:
        for step in self._steps:
            if isinstance(step, StreamLost):
                raise step
            if isinstance(step, threading.Event):
                step.wait(20)  # hangs as a library does
                continue
            self._gate.acquire()
            yield Picture(100.0, _damaged if step is None else lambda step=step: step)

    def close(self) -> None:
        self.closed = True


def _damaged() -> np.ndarray:
    raise DamagedPicture


class _Camera(LiveSource):
    """Each entry is one attempt to connect: what it yields and how it ends, or why it fails."""

    def __init__(self, *attempts: Any, options: CaptureOptions = QUICK, **more: Any) -> None:
        super().__init__("fake", options, rng=random.Random(0), **more)
        self.attempts = list(attempts)
        self.connections: list[_Connection] = []
        self.gate = threading.Semaphore(1)
        self.start()

    def connect(self) -> Connection:
        attempt = self.attempts.pop(0) if self.attempts else StreamLost("no more", final=True)
        if isinstance(attempt, BaseException):
            raise attempt
        self.connections.append(_Connection(attempt, self.gate))
        return self.connections[-1]


def _items(source: _Camera, wanted: Callable[[list], bool] = lambda _: False) -> list[str]:
    """What it yields, a picture as its height and width; each is taken before the next one comes."""
    found: list[str] = []
    for item in source:
        found.append(
            item.error if isinstance(item, FailedFrame) else "x".join(map(str, item.image.shape[:2]))
        )
        source.gate.release()
        if wanted(found):
            break
    source.close()
    return found


def test_goes_on_after_a_loss_with_whatever_size_comes() -> None:
    large = np.zeros((8, 9, 3), np.uint8)
    source = _Camera([IMAGE, IMAGE, StreamLost("gone")], [large])
    assert _items(source) == ["4x6", "4x6", "fake: gone", "8x9", "fake: the stream ended", "fake: no more"]
    assert all(connection.closed for connection in source.connections)


def test_a_loss_is_one_failure_however_often_connecting_fails() -> None:
    refused = [StreamLost("connection refused") for _ in range(20)]
    source = _Camera([IMAGE, StreamLost("gone")], *refused, [IMAGE])
    assert _items(source)[:3] == ["4x6", "fake: gone", "4x6"]


def test_down_at_the_start_is_reported_once_and_tried_again() -> None:
    refused = [StreamLost("connection refused") for _ in range(5)]
    assert _items(_Camera(*refused, [IMAGE]))[:2] == ["fake: connection refused", "4x6"]


def test_what_only_the_user_can_help_is_reported_too() -> None:
    source = _Camera([IMAGE, StreamLost("gone")], StreamLost("wrong password", needs_user=True))
    assert _items(source, lambda found: len(found) == 3) == ["4x6", "fake: gone", "fake: wrong password"]


def test_retries_end_a_source() -> None:
    options = CaptureOptions(first_delay_s=0.01, retries=2)
    source = _Camera([IMAGE, IMAGE], *[StreamLost("refused")] * 9, options=options)
    assert _items(source)[2:] == ["fake: the stream ended", "fake: refused; given up after 3 attempts"]
    assert _items(_Camera(StreamLost("refused"), options=CaptureOptions(retries=0))) == ["fake: refused"]


def test_a_read_that_hangs_is_left_behind() -> None:
    hang = threading.Event()
    source = _Camera([IMAGE, hang], [IMAGE, IMAGE])
    found = _items(source, lambda found: len(found) == 3)
    assert found == ["4x6", "fake: nothing for 1.6 s and the read hangs; connecting anew", "4x6"]
    hang.set()


def test_damaged_pictures_are_left_out_and_counted() -> None:
    source = _Camera([IMAGE, None, None, IMAGE])
    iterator = iter(source)
    kinds = []
    for _ in range(6):
        source.gate.release()
    kinds = [type(item) for item in iterator]
    assert FailedFrame in kinds
    assert source.damaged + source.dropped + kinds.count(Frame) == 4
    source.close()


def test_only_damaged_pictures_are_a_failure() -> None:
    source = _Camera([None] * 10**6)
    source.gate.release(10**6)
    assert _items(source, lambda found: True) == ["fake: only damaged pictures for 0.3 s"]


def test_every_keeps_the_numbers() -> None:
    source = _Camera([IMAGE] * 7, every=3)
    source.gate.release(10)
    indices = {item.index for item in source if isinstance(item, Frame)}
    assert indices <= {0, 3, 6}
    source.close()


def test_frames_that_every_leaves_out_are_signs_of_life() -> None:
    source = _Camera([IMAGE] * 10**6, every=10**6)
    items = iter(source)
    assert isinstance(next(items), Frame)
    stop = threading.Timer(3.0, source.close)  # twice as long as nothing at all may come
    stop.start()
    while stop.is_alive():
        source.gate.release()
        stop.join(0.05)
    assert list(items) == []


def test_an_error_of_the_program_reaches_whoever_iterates() -> None:
    source = _Camera(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        next(iter(source))
    source.close()


def test_closing_ends_the_iteration_and_may_be_repeated() -> None:
    source = _Camera([IMAGE, threading.Event()])
    threading.Timer(0.1, source.close).start()
    assert [type(item) for item in source] in ([Frame], [])
    source.close()
