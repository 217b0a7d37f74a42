from __future__ import annotations

import random

import pytest

from yolo_edge.capture_options import CaptureOptions
from yolo_edge.sources.reconnect import USER_DELAY_S, Backoff, StreamLost
from yolo_edge.sources.timeline import CATCH_UP_S, LagWatch, Timeline

LATENCY_S = 0.03


def _errors_ms(
    delays_s: list[float], *, fps: float = 10, drift: float = 0.0, jumps: dict[int, float] | None = None
) -> list[float]:
    """How far off the estimated capture times are, when frames arrive so late each (beyond the latency)."""
    timeline, offset, errors = Timeline(), 5000.0, []
    for number, delay in enumerate(delays_s):
        taken = 100 + number / fps
        offset += (jumps or {}).get(number, 0.0)
        presented, arrived = (taken - 100) * (1 + drift) + offset, taken + LATENCY_S + delay
        timeline.observe(presented, arrived)
        errors.append((timeline.captured(presented, arrived) - taken - LATENCY_S) * 1e3)
    return errors


RNG = random.Random(0)
TEN_MINUTES = 6000


@pytest.mark.parametrize(
    ("delays", "more", "most_ms"),
    [
        pytest.param([0.0] * 100, {}, 0.01, id="steady"),
        pytest.param([0.0] + [RNG.uniform(0, 0.5) for _ in range(500)], {}, 6, id="jitter"),
        pytest.param([n * 0.001 for n in range(TEN_MINUTES)], {}, 61, id="ten minutes of a growing queue"),
        pytest.param([0.0] * 10 + [3.0] * 600 + [0.0] * 10, {}, 7, id="a queue that goes away"),
        pytest.param([0.0] * TEN_MINUTES, {"drift": 40e-6}, 1, id="fast sender"),
        pytest.param([0.0] * TEN_MINUTES, {"drift": -40e-6}, 1, id="slow sender"),
        pytest.param([0.0] * 300, {"jumps": {150: 77.0}}, 0.01, id="times jump ahead"),
        pytest.param([0.0] * 300, {"jumps": {150: -2000.0}}, 0.01, id="times jump back"),
        pytest.param([0.0] * 300, {"jumps": {100: 9e4, 200: -95443.7}}, 0.01, id="there and back: a wrap"),
    ],
)
def test_capture_times(delays: list[float], more: dict, most_ms: float) -> None:
    assert max(map(abs, _errors_ms(delays, **more))) <= most_ms


def test_a_burst_at_the_start_is_corrected_by_what_comes_live() -> None:
    waiting = [2.0 - number / 10 for number in range(20)]
    assert max(map(abs, _errors_ms(waiting + [0.0] * 50)[20:])) <= 0.01


def test_reordered_frames_do_not_start_anew() -> None:
    timeline = Timeline()
    timeline.observe(10.0, 110.0)
    timeline.observe(10.4, 115.0)
    timeline.observe(10.1, 115.0)
    assert timeline.captured(10.2, 115.0) == pytest.approx(110.2, abs=0.01)


def test_never_in_the_future() -> None:
    timeline = Timeline()
    assert timeline.captured(3.0, 50.0) == 50.0
    timeline.observe(10.0, 110.0)
    assert timeline.captured(99.0, 111.0) == 111.0


def test_lag_watch() -> None:
    watch = LagWatch(2.0)
    assert not watch.too_late(1.9, 0.1, 10.0)
    # It lies here already: read on, to the newest.
    assert watch.too_late(2.5, 0.0, 10.0)
    assert watch.too_late(2.4, 0.0, 10.0 + 2 * CATCH_UP_S)
    assert not watch.too_late(0.3, 0.0, 20.0)
    # A hiccup of the network may catch up.
    assert watch.too_late(3.0, 0.5, 30.0)
    assert watch.too_late(2.5, 0.5, 30.0 + CATCH_UP_S / 2)
    assert not watch.too_late(0.2, 0.5, 30.0 + CATCH_UP_S)
    # A queue on the other side stays.
    assert watch.too_late(2.1, 0.1, 40.0)
    with pytest.raises(StreamLost, match=r"2\.3 s late, for the network is slower than the camera"):
        watch.too_late(2.3, 0.1, 40.1 + CATCH_UP_S)
    assert not LagWatch(None).too_late(1e6, 1.0, 0.0)


def test_backoff_doubles_up_to_its_longest_and_is_shortened_by_chance() -> None:
    options = CaptureOptions(first_delay_s=0.5, longest_delay_s=3.0)
    backoff = Backoff(options, random.Random(1))
    lost = StreamLost("gone")
    delays = [backoff.delay_s(lost) for _ in range(100)]
    for delay, longest in zip(delays, [0.5, 1.0, 2.0, *[3.0] * 97]):
        assert longest / 2 <= delay <= longest
    assert len({round(delay, 3) for delay in delays[10:]}) > 50
    assert delays == [Backoff(options, random.Random(1)).delay_s(lost), *delays[1:]]
    backoff.reset()
    assert backoff.delay_s(lost) <= 0.5


def test_backoff_does_not_hammer_where_only_the_user_can_help() -> None:
    backoff = Backoff(CaptureOptions(), random.Random(0))
    assert backoff.delay_s(StreamLost("wrong password", needs_user=True)) >= USER_DELAY_S / 2
    assert backoff.delay_s(StreamLost("too slow", at_once=True)) == 0


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param({"size_wh": (0, 5)}, "size is", id="size"),
        pytest.param({"fps": 0}, "fps is 0", id="fps"),
        pytest.param({"pixel_format": "MJPEG"}, "must be four letters", id="format"),
        pytest.param({"rtsp_transport": "sctp"}, "known: tcp, udp", id="transport"),
        pytest.param({"timeout_s": float("inf")}, "timeout_s is inf", id="timeout"),
        pytest.param({"max_lag_s": -1}, "max_lag_s is -1", id="lag"),
        pytest.param({"retries": -1}, "retries is -1", id="retries"),
    ],
)
def test_options_are_checked(values: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        CaptureOptions(**values)
