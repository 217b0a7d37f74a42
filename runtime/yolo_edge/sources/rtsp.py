"""RTSP (RFC 2326) with the video interleaved in its TCP connection."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from yolo_edge.capture_options import CaptureOptions
from yolo_edge.sources.http_auth import authorization, credentials
from yolo_edge.sources.network import connect, network_error, refused
from yolo_edge.sources.reconnect import StreamLost

_LARGEST_MESSAGE = 1 << 20
_DEFAULT_SESSION_S = 60.0


@dataclass(frozen=True)
class VideoDescription:
    """The video of a stream, from its description (SDP, RFC 8866)."""

    codec: str
    """As RTP calls it: ``H264``, ``H265``, ``JPEG``."""
    payload_type: int
    clock_hz: int
    control: str
    format_parameters: dict[str, str]
    fps: float | None


@dataclass(frozen=True)
class _Response:
    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name, [""])[0]


@dataclass(frozen=True)
class _Data:
    channel: int
    payload: bytes

    def framed(self) -> bytes:
        """As it came."""
        return b"$" + bytes([self.channel]) + len(self.payload).to_bytes(2, "big") + self.payload


class RtspClient:
    """A connection to an RTSP server.

    Args:
        url: With its credentials.
        options: Time-outs.

    Raises:
        StreamLost: It cannot be opened.
    """

    def __init__(self, url: str, options: CaptureOptions) -> None:
        parts = urlsplit(url)
        self._timeout_s = options.timeout_s
        self._user = credentials(url)
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._challenges: list[str] = []
        self._requests = self._answered = 0
        self._session = ""
        self._session_s = _DEFAULT_SESSION_S
        self._channel = 0
        self._buffer = bytearray()
        self._arrived = self._waited = 0.0
        port = parts.port or (322 if parts.scheme == "rtsps" else 554)
        tls = parts.scheme == "rtsps"
        self._socket = connect(parts.hostname or "", port, options, tls=tls)

    def describe(self) -> VideoDescription:
        """Asks what the stream has.

        Raises:
            StreamLost: No video, or no answer.
        """
        answer = self._ask("DESCRIBE", self._url, Accept="application/sdp")
        base = answer.header("content-base") or answer.header("content-location") or self._url
        video = parse_description(answer.body.decode("utf-8", "replace"), base)
        if video is None:
            raise StreamLost("the stream has no video", needs_user=True)
        self._base = base
        return video

    def play(self, video: VideoDescription) -> None:
        """Has the server send the video.

        Raises:
            StreamLost: It does not.
        """
        transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
        answer = self._ask("SETUP", video.control, Transport=transport)
        session, _, more = answer.header("session").partition(";")
        self._session = session.strip()
        if match := re.search(r"timeout=(\d+)", more):
            self._session_s = max(2.0, float(match[1]))
        if match := re.search(r"interleaved=(\d+)", answer.header("transport")):
            self._channel = int(match[1])
        self._ask("PLAY", self._base, Range="npt=0.000-")

    def packets(self) -> Iterator[tuple[bytes, float, float]]:
        """Yields RTP packets, when each came, and how long was waited for it.

        Raises:
            StreamLost: The stream ended, or nothing came in time.
        """
        video_at = time.monotonic()
        keep_alive = video_at + self._session_s / 2
        while True:
            message = self._message()
            # Reports (RTCP) and answers may go on without it.
            if self._arrived - video_at > self._timeout_s:
                raise StreamLost(f"no video came for {self._timeout_s:g} s")
            if isinstance(message, _Data):
                if message.channel == self._channel:
                    video_at = self._arrived
                    yield message.payload, self._arrived, self._waited
                    self._waited = 0.0
            elif isinstance(message, _Response):
                self._kept_alive(message)
            if self._arrived > keep_alive:
                keep_alive = self._arrived + self._session_s / 2
                self._send("OPTIONS", self._base, {})

    def _kept_alive(self, answer: _Response) -> None:
        """Looks at the answer to a request that kept the session alive."""
        if answer.status == 454:  # Session Not Found
            raise StreamLost("the server ended the session (status 454)")
        challenges = answer.headers.get("www-authenticate", [])
        if answer.status == 401 and challenges != self._challenges:  # its nonce has run out
            self._challenges, self._answered = challenges, 0
            self._send("OPTIONS", self._base, {})

    def interrupt(self) -> None:
        """From another thread: ends :meth:`packets`."""
        with contextlib.suppress(OSError):  # closed by the other side already
            # Not SSLSocket's own, which goes on in plain text; and what is sent still has its way.
            socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def close(self) -> None:
        """Says good-bye, without waiting for an answer."""
        with contextlib.suppress(OSError, StreamLost):  # it is gone
            if self._session:
                self._socket.settimeout(0.2)
                self._send("TEARDOWN", self._base, {})
        self._socket.close()

    def _ask(self, method: str, uri: str, **headers: str) -> _Response:
        """Sends a request and returns its answer; data that comes meanwhile is kept for later.

        Raises:
            StreamLost: The server refuses.
        """
        for authorized in (False, True):
            self._send(method, uri, headers)
            answer = self._response()
            challenges = answer.headers.get("www-authenticate", [])
            if answer.status != 401 or authorized or self._user is None or not challenges:
                break
            self._challenges, self._answered = challenges, 0
        if answer.status in (301, 302) and answer.header("location"):
            raise StreamLost("the server is elsewhere (it redirects); give that URL", needs_user=True)
        if answer.status == 461:  # Unsupported Transport
            raise StreamLost("the server cannot send over TCP; try --rtsp-transport udp", needs_user=True)
        if answer.status != 200:
            raise refused(answer.status)
        return answer

    def _response(self) -> _Response:
        early: list[_Data] = []
        while True:
            message = self._message()
            if isinstance(message, _Response):
                break
            if isinstance(message, _Data):
                early.append(message)
        # The first packets may overtake the answer to PLAY: back to where they came from.
        self._buffer[:0] = b"".join(data.framed() for data in early)
        return message

    def _send(self, method: str, uri: str, headers: dict[str, str]) -> None:
        self._requests += 1
        lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {self._requests}", "User-Agent: yolo-edge"]
        if self._session:
            lines.append(f"Session: {self._session}")
        if self._challenges and self._user is not None:
            self._answered += 1
            answer = authorization(method, uri, self._challenges, self._user, self._answered)
            if answer is not None:
                lines.append(f"Authorization: {answer}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        except OSError as error:
            raise network_error(error, f"no answer for {self._timeout_s:g} s") from None

    def _message(self) -> _Data | _Response | None:
        """The next packet or response; None for a request of the server's, which needs no answer here.

        Raises:
            StreamLost: What comes is not RTSP, or nothing comes.
        """
        self._need(4)
        if self._buffer[0] == 0x24:  # "$"
            length = int.from_bytes(self._buffer[2:4], "big")
            self._need(4 + length)
            data = _Data(self._buffer[1], bytes(self._buffer[4 : 4 + length]))
            del self._buffer[: 4 + length]
            return data
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not _may_be_head(self._buffer) or len(self._buffer) > _LARGEST_MESSAGE:
                raise StreamLost("the server's answer is not RTSP")
            self._need(len(self._buffer) + 1)
        head = bytes(self._buffer[:end]).decode("utf-8", "replace").split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        text = headers.get("content-length", ["0"])[0]
        length = int(text) if text.isdigit() else 0
        status = re.match(r"RTSP/\d\.\d (\d{3})", head[0])
        if length > _LARGEST_MESSAGE or not (status or head[0].endswith("RTSP/1.0")):
            raise StreamLost("the server's answer is not RTSP")
        self._need(end + 4 + length)
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        return _Response(int(status[1]), headers, body) if status else None

    def _need(self, count: int) -> None:
        while len(self._buffer) < count:
            asked = time.monotonic()
            try:
                data = self._socket.recv(1 << 16)
            except OSError as error:
                raise network_error(error, f"nothing came for {self._timeout_s:g} s") from None
            if not data:
                raise StreamLost("the server ended the stream")
            self._arrived = time.monotonic()
            self._waited += self._arrived - asked
            self._buffer += data


def parse_description(text: str, base: str) -> VideoDescription | None:
    """Finds the first video in a description; None where there is none that can be read.

    Args:
        text: SDP.
        base: What relative addresses in it start from.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")] + [len(lines)]
    for start, end in zip(starts, starts[1:]):
        media = re.match(r"m=video \S+ RTP/S?AVPF? (\d+)", lines[start])
        if not media:
            continue
        payload_type = int(media[1])
        attributes: dict[str, list[str]] = {}
        for line in lines[start + 1 : end]:
            if match := re.match(r"a=([\w-]+):?(.*)", line):
                attributes.setdefault(match[1], []).append(match[2].strip())
        codec, clock_hz = "JPEG" if payload_type == 26 else "", 90000
        for value in attributes.get("rtpmap", []):
            if match := re.match(rf"{payload_type} ([\w.-]+)/(\d+)", value):
                codec, clock_hz = match[1].upper(), int(match[2]) or 90000
        parameters: dict[str, str] = {}
        for value in attributes.get("fmtp", []):
            number, _, fields = value.partition(" ")
            if number == str(payload_type):
                for field in fields.split(";"):
                    name, _, content = field.strip().partition("=")
                    parameters[name.lower()] = content
        rate = attributes.get("framerate", [""])[0]
        fps = float(rate) if re.fullmatch(r"\d+(\.\d+)?", rate) and 0 < float(rate) < 1000 else None
        control = attributes.get("control", [""])[0]
        return VideoDescription(codec, payload_type, clock_hz, _address(base, control), parameters, fps)
    return None


def _address(base: str, control: str) -> str:
    if control in ("", "*"):
        return base
    if re.match(r"rtsps?://", control):
        return control
    # Not urljoin alone: a base without a final slash would lose its last part.
    return (base if base.endswith("/") else base + "/") + control


def _may_be_head(data: bytearray) -> bool:
    return re.match(rb"[A-Z_]{4}", data) is not None and not data.startswith(b"HTTP")
