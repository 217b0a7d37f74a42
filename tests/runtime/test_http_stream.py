"""HTTP cameras, against a server on loopback that behaves as it is told."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from http_streams import FPS, Behaviour, HttpCamera, _Handler, jpeg, multipart, part, serve, stall
from pixel_clock import read_stamp, stamp
from watching import errors_of, frames_of, take

from yolo_edge.sources import CaptureOptions, FailedFrame, Frame, open_sources
from yolo_edge.sources.http_auth import authorization

QUICK = CaptureOptions(timeout_s=1.0, first_delay_s=0.05, longest_delay_s=0.2)
ONCE = CaptureOptions(timeout_s=1.0, retries=0)


@pytest.mark.parametrize("stamps", [False, True], ids=["arrival", "X-Timestamp"])
def test_mjpeg(stamps: bool) -> None:
    with HttpCamera(serve(stamps=stamps)) as camera:
        found = take(camera.url(), QUICK, lambda items: len(items) == 10)
    frames = frames_of(found)
    assert len(frames) == 10
    numbers = [read_stamp(frame.image).number for frame in frames]
    assert numbers == sorted(set(numbers))
    # Encoding and loopback take little; on a busy machine more.
    errors = [frame.captured_clock - read_stamp(frame.image).clock_s for frame in frames]
    assert -0.01 < np.median(errors) < 0.5
    assert abs(frames[0].captured_at - time.time()) < 20


def test_comes_back_when_the_server_does_with_another_size() -> None:
    camera = HttpCamera(serve())
    port = camera.port
    (source,) = open_sources([camera.url()], capture=QUICK)
    items = iter(source)
    assert isinstance(next(items), Frame)
    camera.kill()
    failed = next(item for item in items if isinstance(item, FailedFrame))
    assert failed.error.endswith(("the server ended the stream", "nothing listens on this port"))
    time.sleep(0.5)  # some attempts fail, and are not reported
    returned = time.monotonic()
    with HttpCamera(serve(size_hw=(160, 432)), port):
        frame = next(items)
        assert isinstance(frame, Frame)
        assert frame.image.shape == (160, 432, 3)
        assert time.monotonic() - returned < 5
        source.close()


def _garbage(handler: _Handler) -> None:
    multipart(handler)
    noise = np.random.default_rng(0).integers(0, 255, 1 << 16, np.uint8).tobytes().replace(b"\xff", b"")
    while handler.camera.alive:
        handler.wfile.write(noise)


def _trickle(handler: _Handler) -> None:
    multipart(handler)
    while handler.camera.alive:
        handler.wfile.write(b"x")
        time.sleep(0.1)  # never silent for long


def _answer(status: int = 200, **headers: str) -> Behaviour:
    return lambda handler: handler.head(status, **headers)


def _not_http(handler: _Handler) -> None:
    handler.wfile.write(b"\0\1\2garbage\r\n\r\n")


def _mp4(handler: _Handler) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = 64, 48
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    handler.head(Content_Type="video/mp4", Content_Length=str(len(file.getvalue())))
    handler.wfile.write(file.getvalue())


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        pytest.param(stall(0), "nothing came for 1 s", id="accepts, sends nothing more"),
        pytest.param(lambda handler: time.sleep(3), "no answer for 1 s", id="no answer"),
        pytest.param(_garbage, "no JPEG pictures in what the server sends", id="garbage"),
        pytest.param(_trickle, "data comes, but no whole picture for 1 s", id="trickle"),
        pytest.param(_not_http, "the server's answer is not HTTP", id="not HTTP"),
        pytest.param(_answer(401), "the server wants another user name or password (401)", id="401"),
        pytest.param(_answer(403), "the server forbids it to this user (403)", id="403"),
        pytest.param(_answer(404), "the server has no such stream (404)", id="404"),
        pytest.param(_answer(503), "the server refuses with status 503", id="503"),
        pytest.param(_answer(302, Location="/stream"), "redirected too often", id="loop"),
        pytest.param(_answer(302, Location="ftp://u:secret@h/"), "elsewhere: ftp://***@h/", id="elsewhere"),
        pytest.param(_answer(Content_Type="text/html"), "the server sends text/html, not video", id="page"),
        pytest.param(_answer(Content_Type="image/jpeg"), "the server sends one picture", id="snapshot"),
        pytest.param(_answer(Content_Type="video/x-flv"), "", id="no video"),
        pytest.param(_mp4, "this is a file of 2.0 s, not a live stream", id="a file"),
    ],
)
def test_faults_are_one_clear_line(behave: Behaviour, error: str) -> None:
    with HttpCamera(behave) as camera:
        found = take(camera.url(user="me:secret"), ONCE)
    (shown,) = errors_of(found)
    assert error in shown
    assert "secret" not in found[-1].error
    assert found[-1].source == f"http://***@127.0.0.1:{camera.port}/stream"


def test_refused_and_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert errors_of(take(f"http://127.0.0.1:{port}/", ONCE)) == [
        "connection refused: nothing listens on this port"
    ]
    (shown,) = errors_of(take("http://no-such-host.invalid/", ONCE))
    assert shown.startswith("unknown host no-such-host.invalid (")


def test_a_stalled_server_is_left_and_tried_again() -> None:
    with HttpCamera(stall(3)) as camera:
        found = take(camera.url(), QUICK, lambda items: len(errors_of(items)) == 2)
    assert errors_of(found) == ["nothing came for 1 s"] * 2
    assert len(camera.requests) == 2
    assert len(frames_of(found)) >= 2


def test_damaged_parts_are_left_out_and_counted() -> None:
    def behave(handler: _Handler) -> None:
        multipart(handler)
        for number in range(100):
            data = jpeg(number)
            part(handler, data[: len(data) // 2] if number % 3 == 1 else data)
            time.sleep(1 / FPS)  # the camera's frame rate

    with HttpCamera(behave) as camera:
        (source,) = open_sources([camera.url()], capture=ONCE)
        numbers = []
        for item in source:
            assert isinstance(item, Frame)
            numbers.append(read_stamp(item.image).number)
            if numbers[-1] >= 9:
                break
        source.close()
    assert all(number % 3 != 1 for number in numbers)
    assert source.damaged >= 2


@pytest.mark.parametrize(
    "challenge",
    [
        pytest.param('Basic realm="camera"', id="basic"),
        pytest.param('Digest realm="camera", nonce="abc"', id="digest"),
        pytest.param('Digest realm="c, d", nonce="abc", qop="auth,auth-int", opaque="x"', id="with qop"),
        pytest.param('Digest realm="c", nonce="abc", qop="auth", algorithm=SHA-256', id="SHA-256"),
    ],
)
def test_authentication(challenge: str) -> None:
    seen: list[str] = []

    def behave(handler: _Handler) -> None:
        given = handler.headers.get("Authorization")
        if given is None:
            handler.head(401, WWW_Authenticate=challenge)
            return
        seen.append(given)
        serve()(handler)

    with HttpCamera(behave) as camera:
        found = take(camera.url("/s?a=1", "me:p%40ss"), ONCE, lambda items: True)
    assert len(frames_of(found)) == 1
    assert seen[0].split()[0] == challenge.split()[0]
    if "Basic" in challenge:
        assert seen[0] == "Basic bWU6cEBzcw=="


def test_digest_is_that_of_the_standard() -> None:
    # RFC 2617, 3.5, and RFC 2069's form of it (with its erratum).
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc"'
    header = authorization("GET", "/dir/index.html", [challenge], ("Mufasa", "Circle Of Life"))
    assert header is not None
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in header
    assert authorization("GET", "/", ["Negotiate", 'Digest algorithm="X"'], ("a", "b")) is None


def test_a_wrong_password_is_tried_once() -> None:
    def behave(handler: _Handler) -> None:
        handler.head(401, WWW_Authenticate='Basic realm="camera"')

    with HttpCamera(behave) as camera:
        (source,) = open_sources([camera.url(user="me:wrong")], capture=QUICK)
        item = next(iter(source))
        time.sleep(1)  # in which a refused connection would be tried several times
        source.close()
    assert isinstance(item, FailedFrame)
    assert item.error.endswith("(401)")
    assert len(camera.requests) == 2  # without and with the password


def test_credentials_are_not_sent_to_another_server() -> None:
    seen: list[str | None] = []

    def other(handler: _Handler) -> None:
        seen.append(handler.headers.get("Authorization"))
        handler.head(401, WWW_Authenticate='Basic realm="other"')

    with HttpCamera(other) as second, HttpCamera(_answer(302, Location=second.url())) as first:
        assert errors_of(take(first.url(user="me:secret"), ONCE))
    assert seen == [None]


def test_tls() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parents[1] / "data" / "self_signed.pem")
    with HttpCamera(serve()) as camera:
        camera._server.socket = context.wrap_socket(camera._server.socket, server_side=True)
        url = camera.url().replace("http:", "https:")
        (shown,) = errors_of(take(url, ONCE))
        assert "the server's certificate is not trusted" in shown
        insecure = CaptureOptions(retries=0, verify_tls=False)
        assert frames_of(take(url, insecure, lambda items: True))


def test_closing_interrupts_a_silent_server() -> None:
    with HttpCamera(stall(1)) as camera:
        (source,) = open_sources([camera.url()], capture=CaptureOptions(timeout_s=60))
        assert isinstance(next(iter(source)), Frame)
        started = time.monotonic()
        source.close()
        assert time.monotonic() - started < 5
        assert not any(thread.name.startswith("yolo-edge-http") for thread in threading.enumerate())


def test_video_over_http_that_stalls() -> None:
    """MPEG-TS without an end, as some encoders serve it."""

    def behave(handler: _Handler) -> None:
        handler.head(Content_Type="video/mp2t")
        with av.open(handler.wfile, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.gop_size = 400, 96, 10
            stream.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency"}
            for number in range(60):
                image = np.full((96, 400, 3), 90, np.uint8)
                stamp(image, number)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
                time.sleep(1 / FPS)  # the camera's frame rate
            while handler.camera.alive:
                time.sleep(0.05)  # until the test ends

    with HttpCamera(behave) as camera:
        found = take(camera.url(), CaptureOptions(timeout_s=2, retries=0))
    numbers = [read_stamp(frame.image).number for frame in frames_of(found)]
    assert len(numbers) >= 10
    assert numbers == sorted(set(numbers))
    assert errors_of(found) == ["nothing came for 2 s"]
