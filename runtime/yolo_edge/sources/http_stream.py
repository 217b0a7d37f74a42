"""Cameras on HTTP: MJPEG (multipart) without any extra package, other video through PyAV."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import (
    AbstractDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
    parse_http_list,
    parse_keqv_list,
)

from yolo_edge._core import CpuSet
from yolo_edge.errors import MissingExtraError
from yolo_edge.sources.capture_options import CaptureOptions
from yolo_edge.sources.credentials import redact
from yolo_edge.sources.jpeg_stream import JpegSplitter, jpeg_picture
from yolo_edge.sources.live import CaptureCounts, Connection, LiveSource, Picture
from yolo_edge.sources.reconnect import StreamLost
from yolo_edge.sources.stream import AvConnection, check_url, refused, resolve
from yolo_edge.sources.timeline import LagWatch, Timeline

_MOST_REDIRECTS = 5
_TIMEOUTS = (TimeoutError, socket.timeout)  # two until Python 3.10
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
        last_picture = time.monotonic()
        while piece := self._read():
            arrived, asked = time.monotonic(), self._asked
            for jpeg in splitter.feed(piece, arrived):
                last_picture, captured = arrived, jpeg.arrived
                if stamps := _TIMESTAMP.findall(jpeg.before):
                    sent_s = float(stamps[-1])
                    self._sent.observe(sent_s, jpeg.arrived)
                    captured = self._sent.captured(sent_s, jpeg.arrived)
                if lag_watch.too_late(jpeg.arrived - captured, arrived - asked, arrived):
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
        except _TIMEOUTS:
            raise StreamLost(f"nothing came for {self._options.timeout_s:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise _network_error(error) from None


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
    authorization: str | None = None
    user = urlsplit(url)
    redirects = 0
    while True:
        answer = _request(url, authorization, options)
        status = answer.response.status
        if status == 200:
            return answer
        headers = answer.response.headers
        answer.close()
        if status in (301, 302, 303, 307, 308) and (target := headers.get("Location")):
            redirects += 1
            target = urljoin(url, target)
            if redirects > _MOST_REDIRECTS or urlsplit(target).scheme not in ("http", "https"):
                raise StreamLost(f"redirected too often, or elsewhere: {redact(target)}", needs_user=True)
            if urlsplit(target).netloc.rpartition("@")[2] != urlsplit(url).netloc.rpartition("@")[2]:
                authorization, user = None, urlsplit(target)  # the credentials are not for another server
            url = target
            continue
        if status == 401 and authorization is None and user.username is not None:
            authorization = _authorization(url, headers.get_all("WWW-Authenticate") or [], user)
            if authorization is not None:
                continue
        raise refused(status)


def _request(url: str, authorization: str | None, options: CaptureOptions) -> _Answer:
    resolve(url)
    parts = urlsplit(url)
    timeout_s = options.timeout_s
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if not options.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.connect()
        opened = connection.sock
        headers = {"User-Agent": "yolo-edge", "Accept": "*/*", "Connection": "close"}
        if authorization:
            headers["Authorization"] = authorization
        connection.request("GET", _target(url), headers=headers)
        return _Answer(connection.getresponse(), opened)
    except _TIMEOUTS:
        connection.close()
        raise StreamLost(f"no answer for {timeout_s:g} s") from None
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise StreamLost(
            f"the server's certificate is not trusted ({error.verify_message}); --insecure takes it as it is",
            needs_user=True,
        ) from None
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise _network_error(error) from None


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _authorization(url: str, challenges: list[str], user: object) -> str | None:
    """The header that answers a challenge; None when it asks for something unknown."""
    name = unquote(getattr(user, "username", None) or "")
    password = unquote(getattr(user, "password", None) or "")
    for challenge in challenges:
        scheme, _, fields = challenge.partition(" ")
        if scheme.lower() == "digest":
            passwords = HTTPPasswordMgrWithDefaultRealm()
            parts = urlsplit(url)
            plain = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{_target(url)}"
            passwords.add_password(None, plain, name, password)
            asked = parse_keqv_list(parse_http_list(fields))
            answer = AbstractDigestAuthHandler(passwords).get_authorization(Request(plain), asked)
            if answer:
                return f"Digest {answer}"
    if any(challenge.lower().startswith("basic") for challenge in challenges):
        return "Basic " + b64encode(f"{name}:{password}".encode()).decode()
    return None


def _network_error(error: Exception) -> StreamLost:
    if isinstance(error, ConnectionRefusedError):
        return StreamLost("connection refused: nothing listens on this port")
    if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
        return StreamLost("the server ended the stream")
    if isinstance(error, OSError):
        return StreamLost((error.strerror or str(error)).lower())
    return StreamLost("the server's answer is not HTTP")
