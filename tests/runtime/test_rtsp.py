"""RTSP cameras, against a small one in Python; scripts/test-streams has a real server."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import numpy as np
import pytest
from pixel_clock import read_stamp
from rtsp_camera import Behaviour, RtspCamera
from watching import errors_of, frames_of, take

from yolo_edge.errors import MissingExtraError
from yolo_edge.sources import CaptureOptions, FailedFrame, Frame, open_sources
from yolo_edge.sources.rtsp import parse_description

QUICK = CaptureOptions(timeout_s=2.0, first_delay_s=0.05, longest_delay_s=0.2)
ONCE = CaptureOptions(timeout_s=2.0, retries=0)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Behaviour(), id="H.264"),
        pytest.param(Behaviour(codec="hevc"), id="H.265"),
        pytest.param(Behaviour(markers="none"), id="no markers"),
        pytest.param(Behaviour(data_before_answer=False), id="answer first"),
        pytest.param(Behaviour(user=("me", "p@ss/1")), id="digest"),
        pytest.param(Behaviour(first_timestamp=5), id="no wrap"),
    ],
)
def test_frames_and_their_age(behaviour: Behaviour) -> None:
    with RtspCamera(behaviour) as camera:
        found = take(camera.url("me:p%40ss%2F1"), ONCE, lambda items: len(frames_of(items)) == 25)
    frames = frames_of(found)
    assert errors_of(found) == []
    numbers = [read_stamp(frame.image).number for frame in frames]
    assert numbers == sorted(set(numbers))
    assert frames[0].fps == behaviour.fps
    # The first frames start the encoder; a busy machine adds to all.
    errors = [frame.captured_clock - read_stamp(frame.image).clock_s for frame in frames[5:]]
    assert abs(np.median(errors)) < 0.5
    assert np.ptp(errors) < 0.5


def test_markers_on_every_packet_cost_the_first_frames_only() -> None:
    with RtspCamera(Behaviour(markers="every")) as camera:
        found = take(camera.url(), ONCE, lambda items: len(items) == 20)
    numbers = [read_stamp(frame.image).number for frame in frames_of(found)]
    assert len(numbers) == 20
    assert numbers[0] <= 10


def test_nothing_that_builds_on_a_lost_packet_is_handed_on() -> None:
    behaviour = Behaviour(lose=frozenset({13, 27}), key_frames=10)
    with RtspCamera(behaviour) as camera:
        (source,) = open_sources([camera.url()], capture=ONCE)
        numbers: list[int] = []
        for item in source:
            assert isinstance(item, Frame)
            numbers.append(read_stamp(item.image).number)
            if numbers[-1] >= 32:
                break
        source.close()
    assert not set(numbers) & {*range(13, 20), *range(27, 30)}
    assert source.damaged >= 8


def test_comes_back_when_the_camera_does_with_another_size() -> None:
    camera = RtspCamera(Behaviour())
    (source,) = open_sources([camera.url()], capture=QUICK)
    items = iter(source)
    assert isinstance(next(items), Frame)
    camera.kill()
    failed = next(item for item in items if isinstance(item, FailedFrame))
    assert "the server ended the stream" in failed.error
    time.sleep(0.5)  # some attempts fail, and are not reported
    returned = time.monotonic()
    with RtspCamera(Behaviour(size_hw=(160, 432)), camera.port):
        frame = next(items)
        assert isinstance(frame, Frame)
        assert frame.image.shape == (160, 432, 3)
        assert time.monotonic() - returned < 5
        source.close()


def test_a_session_is_kept_alive_and_ended() -> None:
    with RtspCamera(Behaviour()) as camera:
        take(camera.url(), ONCE, lambda items: "OPTIONS" in camera.requests)
        for _ in range(100):
            if camera.requests[-1] == "TEARDOWN":
                break
            time.sleep(0.05)  # until it has come
    assert camera.requests[:3] == ["DESCRIBE", "SETUP", "PLAY"]
    assert camera.requests[-1] == "TEARDOWN"


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        pytest.param(Behaviour(stall_after=5), "nothing came for 2 s", id="stalled"),
        pytest.param(Behaviour(stall_after=5, reports=True), "no video came for 2 s", id="reports only"),
        pytest.param(Behaviour(end_after=5), "the server ended the stream", id="ended"),
        pytest.param(Behaviour(user=("me", "other")), "another user name or password (401)", id="401"),
        pytest.param(
            Behaviour(answer=b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n"), "no such stream (404)", id="404"
        ),
        pytest.param(Behaviour(answer=b"RTSP/1.0 453 x\r\n\r\n"), "refuses with status 453", id="453"),
        pytest.param(Behaviour(answer=b"HTTP/1.1 400 Bad\r\n\r\n"), "answer is not RTSP", id="HTTP"),
        pytest.param(Behaviour(answer=b"\0\xff" * 1000), "answer is not RTSP", id="garbage"),
        pytest.param(Behaviour(answer=b"RTSP/1.0 banana\r\n\r\n"), "answer is not RTSP", id="no status"),
        pytest.param(Behaviour(answer=b"RTSP/1.0 200 OK\r\n\r\n"), "the stream has no video", id="empty"),
        pytest.param(Behaviour(answer=b""), "nothing came for 2 s", id="silent"),
    ],
)
def test_faults_are_one_clear_line(behaviour: Behaviour, error: str) -> None:
    with RtspCamera(behaviour) as camera:
        found = take(camera.url("me:secret"), ONCE)
    (shown,) = errors_of(found)
    assert error in shown
    assert "secret" not in found[-1].error
    assert found[-1].source == f"rtsp://***@127.0.0.1:{camera.port}/live"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_refused_and_unknown(transport: str) -> None:
    options = replace(ONCE, rtsp_transport=transport)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url, error in (
        (f"rtsp://me:secret@127.0.0.1:{port}/", "connection refused: nothing listens on this port"),
        ("rtsp://me:secret@no-such-host.invalid/", "unknown host no-such-host.invalid ("),
    ):
        (source,) = open_sources([url], capture=options)
        (failed,) = source
        source.close()
        assert isinstance(failed, FailedFrame)
        assert error in failed.error
        assert "secret" not in failed.error


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(b"RTSP/1.0 401 x\r\nCSeq: 1\r\n\r\n", "user name or password (401)", id="401"),
        pytest.param(b"RTSP/1.0 404 x\r\nCSeq: 1\r\n\r\n", "no such stream (404)", id="404"),
        pytest.param(b"", "no answer for 1 s", id="silent"),
        pytest.param(b"\0\xff garbage\r\n\r\n" * 100, "", id="garbage"),
    ],
)
def test_faults_as_libav_reports_them(answer: bytes, error: str) -> None:
    """UDP, and codecs that are not received here, go through libav."""
    options = CaptureOptions(timeout_s=1.0, retries=0, rtsp_transport="udp")
    with RtspCamera(Behaviour(answer=answer)) as camera:
        found = take(camera.url("me:secret"), options)
    (shown,) = errors_of(found)
    assert error in shown
    assert "secret" not in found[-1].error


def test_needs_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "av", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_NoAv(), *sys.meta_path])
    with pytest.raises(MissingExtraError, match=r"RTSP needs .* av, .*pip install 'yolo-edge\[stream\]'"):
        open_sources(["rtsp://127.0.0.1/"])


class _NoAv:
    def find_spec(self, name: str, *_: object) -> None:
        if name == "av":
            raise ModuleNotFoundError("No module named 'av'", name="av")


DESCRIPTION = """v=0
m=audio 0 RTP/AVP 8
a=control:audio
m=video 0 RTP/AVP 97
a=rtpmap:96 JPEG/90000
a=rtpmap:97 H264/90000
a=fmtp:97 packetization-mode=1;sprop-parameter-sets=Z3Nwcw==,aHBwcw==; profile-level-id=42
a=framerate:12.5
"""


@pytest.mark.parametrize(
    ("base", "control", "address"),
    [
        pytest.param("rtsp://h/s", "trackID=1", "rtsp://h/s/trackID=1", id="relative"),
        pytest.param("rtsp://h/s/", "trackID=1", "rtsp://h/s/trackID=1", id="after a slash"),
        pytest.param("rtsp://h/s", "rtsp://h/s/t?x=1", "rtsp://h/s/t?x=1", id="absolute"),
        pytest.param("rtsp://h/s", "*", "rtsp://h/s", id="star"),
        pytest.param("rtsp://h/s", "", "rtsp://h/s", id="none"),
    ],
)
def test_description(base: str, control: str, address: str) -> None:
    text = DESCRIPTION.replace("\n", "\r\n") + (f"a=control:{control}\r\n" if control else "")
    video = parse_description(text, base)
    assert video is not None
    assert (video.codec, video.payload_type, video.clock_hz, video.fps) == ("H264", 97, 90000, 12.5)
    assert video.control == address
    assert video.format_parameters["sprop-parameter-sets"] == "Z3Nwcw==,aHBwcw=="


@pytest.mark.parametrize("text", ["", "m=audio 0 RTP/AVP 8", "m=video", "m=video 0 UDP/TS 33"])
def test_description_without_video(text: str) -> None:
    assert parse_description(text, "rtsp://h/") is None
