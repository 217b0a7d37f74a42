"""Cameras on HTTP: MJPEG (multipart) without any extra package, other video through PyAV."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from yolo_edge._core import CpuSet
from yolo_edge.capture_options import CaptureOptions
from yolo_edge.errors import MissingExtraError
from yolo_edge.sources.credentials import redact
from yolo_edge.sources.http_auth import authorization, credentials
from yolo_edge.sources.jpeg_stream import JpegSplitter, jpeg_picture
from yolo_edge.sources.live import CaptureCounts, Connection, LiveSource, Picture
from yolo_edge.sources.network import check_url, connect, network_error, refused
from yolo_edge.sources.reconnect import StreamLost
from yolo_edge.sources.stream import AvConnection
from yolo_edge.sources.timeline import LagWatch, Timeline

_MOST_REDIRECTS = 5
_TIMESTAMP = re.compile(rb"^X-Timestamp:\s*(\d+\.\d+)\s*$", re.IGNORECASE | re.MULTILINE)
"""Seconds, in the headers of a part; ustreamer and mjpg-streamer write it."""


class HttpSource(LiveSource):
    """A camera with an ``http://`` or ``https://`` URL.

    Args:
        url: What it is shows in the server's answer.
        options: Time-outs and retries.
        every: Take only each N-th frame.
        cpus: CPUs that the capturing thread is bound to; None binds nothing.

    Raises:
        SourceError: The URL has no host.
    """

    def __init__(self, url: str, options: CaptureOptions, every: int = 1, cpus: CpuSet | None = None) -> None:
        check_url(url)
        super().__init__(redact(url), options, every, cpus)
        self._url = url
        self._clock = Timeline()
        self.start()

    def connect(self) -> Connection:
        answer = _get(self._url, self.options)
        kind = answer.response.headers.get_content_type()
        if kind.startswith("multipart/"):
            # The parts' time stamps, if any, are the sender's clock: they hold across connections.
            return MjpegConnection(answer, self.options, self.counts, self._clock)
        answer.close()
        if kind == "image/jpeg":
            raise StreamLost("the server sends one picture, not a stream", needs_user=True)
        if kind.startswith("text/"):
            raise StreamLost(f"the server sends {kind}, not video", needs_user=True)
        try:
            return AvConnection(self._url, self.options, self.counts)
        except MissingExtraError as error:
            raise StreamLost(f"the server sends {kind}: {error}", final=True) from None


class MjpegConnection(Connection):
    """MJPEG in the answer to an HTTP request.

    Args:
        answer: Closed with the connection.
        options: Time-outs.
        counts: What is left out is counted here.
        sent: Maps the server's time stamps to our clock.
    """

    def __init__(
        self, answer: _Answer, options: CaptureOptions, counts: CaptureCounts, sent: Timeline
    ) -> None:
        self._answer = answer
        self._options = options
        self._counts = counts
        self._sent = sent

    def pictures(self) -> Iterator[Picture]:
        splitter, lag_watch = JpegSplitter(), LagWatch(self._options.max_lag_s)
        timeout_s, damaged_before = self._options.timeout_s, self._counts.damaged
        last_picture, waited_s = time.monotonic(), 0.0
        while piece := self._read():
            arrived = time.monotonic()
            waited_s += arrived - self._asked
            for jpeg in splitter.feed(piece, arrived):
                last_picture, captured = arrived, jpeg.arrived
                if stamps := _TIMESTAMP.findall(jpeg.before):
                    sent_s = float(stamps[-1])
                    self._sent.observe(sent_s, jpeg.arrived)
                    captured = self._sent.captured(sent_s, jpeg.arrived)
                late, waited_s = lag_watch.too_late(jpeg.arrived - captured, waited_s, arrived), 0.0
                if late:
                    self._counts.late += 1
                else:
                    yield jpeg_picture(jpeg.data, captured)
            self._counts.damaged = damaged_before + splitter.damaged
            if arrived - last_picture > timeout_s:
                raise StreamLost(f"data comes, but no whole picture for {timeout_s:g} s")
        raise StreamLost("the server ended the stream")

    def interrupt(self) -> None:
        self._answer.interrupt()

    def close(self) -> None:
        self._answer.close()

    def _read(self) -> bytes:
        self._asked = time.monotonic()
        try:
            return self._answer.response.read1(1 << 16)
        except http.client.HTTPException:
            raise StreamLost("the server ended the stream") from None
        except OSError as error:
            raise network_error(error, f"nothing came for {self._options.timeout_s:g} s") from None


class _Answer:
    """A running answer and the socket that it comes from."""

    def __init__(self, response: http.client.HTTPResponse, connection_socket: socket.socket) -> None:
        self.response = response
        self._socket = connection_socket

    def interrupt(self) -> None:
        with contextlib.suppress(OSError):  # closed by the other side already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.response.close()
        self._socket.close()


def _get(url: str, options: CaptureOptions) -> _Answer:
    """Asks for an URL, with Basic or Digest authentication, and follows redirections.

    Raises:
        StreamLost: There is no such answer.
    """
    user, header, redirects = credentials(url), None, 0
    while True:
        answer = _request(url, header, options)
        status, headers = answer.response.status, answer.response.headers
        if status == 200:
            return answer
        answer.close()
        if status in (301, 302, 303, 307, 308) and (location := headers.get("Location")):
            target = urljoin(url, location)
            redirects += 1
            if redirects > _MOST_REDIRECTS or urlsplit(target).scheme not in ("http", "https"):
                raise StreamLost(f"redirected too often, or elsewhere: {redact(target)}", needs_user=True)
            if _place(target) != _place(url):
                user = credentials(target)  # those at hand are for another server
            url, header = target, None
            continue
        if status == 401 and header is None and user is not None:
            header = authorization("GET", _target(url), headers.get_all("WWW-Authenticate") or [], user)
            if header is not None:
                continue
        raise refused(status)


def _request(url: str, header: str | None, options: CaptureOptions) -> _Answer:
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    opened = connect(parts.hostname or "", parts.port or (443 if tls else 80), options, tls=tls)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.sock = opened
    headers = {"User-Agent": "yolo-edge", "Accept": "*/*", "Connection": "close"}
    if header is not None:
        headers["Authorization"] = header
    try:
        connection.request("GET", _target(url), headers=headers)
        return _Answer(connection.getresponse(), opened)
    except http.client.HTTPException:
        opened.close()
        raise StreamLost("the server's answer is not HTTP") from None
    except OSError as error:
        opened.close()
        raise network_error(error, f"no answer for {options.timeout_s:g} s") from None


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2]
