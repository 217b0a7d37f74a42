"""A small RTSP camera in Python for tests: stamped H.264 or H.265 over TCP, and the faults of real ones."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from pixel_clock import stamp

from yolo_edge.sources.http_auth import authorization

CLOCK_HZ = 90000
_PAYLOAD = 96
_NONCE = 'Digest realm="camera", nonce="0123456789abcdef"'


@dataclass
class Behaviour:
    """What the camera does; may be changed while it runs, for the next connection."""

    codec: str = "h264"
    size_hw: tuple[int, int] = (96, 400)
    fps: int = 20
    key_frames: int = 10
    user: tuple[str, str] | None = None
    """Name and password wanted, by Digest."""
    markers: str = "last"
    """Which packets have the marker: the ``last`` of a picture, ``none``, or ``every``."""
    lose: frozenset[int] = frozenset()
    """Numbers of frames of which a packet is lost."""
    stall_after: int | None = None
    """Frames after which nothing comes."""
    reports: bool = False
    """Whether RTCP goes on then."""
    end_after: int | None = None
    """Frames after which the connection ends."""
    answer: bytes | None = None
    """What every request is answered with, whatever it is."""
    first_timestamp: int = 2**32 - 3 * CLOCK_HZ // 2
    """It wraps soon."""
    data_before_answer: bool = True
    """Whether the first packet overtakes the answer to PLAY."""


class RtspCamera:
    """Listens on loopback until the end of a ``with`` block, or until it is killed."""

    def __init__(self, behaviour: Behaviour, port: int = 0) -> None:
        self.behaviour = behaviour
        self.requests: list[str] = []
        self.alive = True
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, user: str = "") -> str:
        return f"rtsp://{user}{'@' if user else ''}127.0.0.1:{self.port}/live"

    def kill(self) -> None:
        self.alive = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._open:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> RtspCamera:
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive:
            self.kill()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # killed
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        behaviour = self.behaviour
        with contextlib.suppress(OSError), client:
            for method, headers in _requests(client):
                self.requests.append(method)
                if behaviour.answer is not None:
                    client.sendall(behaviour.answer)
                    continue
                if behaviour.user is not None and not _authorized(method, headers, behaviour.user):
                    _reply(client, headers, 401, {"WWW-Authenticate": _NONCE})
                elif method == "DESCRIBE":
                    body = _description(behaviour).encode()
                    _reply(client, headers, 200, {"Content-Type": "application/sdp"}, body)
                elif method == "SETUP":
                    transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
                    _reply(client, headers, 200, {"Transport": transport, "Session": "7;timeout=4"})
                elif method == "PLAY":
                    early = lambda headers=headers: _reply(client, headers, 200, {})  # noqa: E731
                    threading.Thread(target=self._send, args=(client, behaviour, early), daemon=True).start()
                elif method == "TEARDOWN":
                    return
                else:
                    _reply(client, headers, 200, {"Public": "OPTIONS"})

    def _send(self, client: socket.socket, behaviour: Behaviour, answer_play) -> None:  # type: ignore[no-untyped-def]
        with contextlib.suppress(OSError):
            if not behaviour.data_before_answer:
                answer_play()
            sequence, started = 65530, time.monotonic()
            for number, (clock_s, packets) in enumerate(_pictures(behaviour)):
                timestamp = behaviour.first_timestamp + round((clock_s - started) * CLOCK_HZ)
                for index, payload in enumerate(packets):
                    sequence = (sequence + 1) % 65536
                    if number in behaviour.lose and index == len(packets) - 1:
                        continue
                    marker = behaviour.markers == "every" or (
                        behaviour.markers == "last" and index == len(packets) - 1
                    )
                    head = struct.pack(">BBHII", 0x80, marker << 7 | _PAYLOAD, sequence, timestamp % 2**32, 1)
                    data = head + payload
                    client.sendall(b"$\0" + len(data).to_bytes(2, "big") + data)
                if number == 0 and behaviour.data_before_answer:
                    answer_play()
                if number + 1 == behaviour.end_after:
                    client.shutdown(socket.SHUT_RDWR)
                    return
                while number + 1 == behaviour.stall_after and self.alive:
                    if behaviour.reports:
                        client.sendall(b"$\1\0\4RTCP")
                    time.sleep(0.05)  # until the test ends
                time.sleep(1 / behaviour.fps)  # the camera's frame rate


def _requests(client: socket.socket) -> Iterator[tuple[str, dict[str, str]]]:
    data = b""
    while received := client.recv(4096):
        data += received
        while b"\r\n\r\n" in data:
            head, data = data.split(b"\r\n\r\n", 1)
            first, *lines = head.decode().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            yield first.split()[0], {**headers, "uri": first.split()[1]}


def _reply(
    client: socket.socket, headers: dict[str, str], status: int, more: dict[str, str], body: bytes = b""
) -> None:
    found = {"CSeq": headers.get("cseq", "0"), **more}
    if body:
        found["Content-Length"] = str(len(body))
    lines = [f"RTSP/1.0 {status} Text", *(f"{name}: {value}" for name, value in found.items())]
    client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _authorized(method: str, headers: dict[str, str], user: tuple[str, str]) -> bool:
    return headers.get("authorization") == authorization(method, headers["uri"], [_NONCE], user)


def _description(behaviour: Behaviour) -> str:
    name = {"h264": "H264", "hevc": "H265"}[behaviour.codec]
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\n"
        "m=audio 0 RTP/AVP 0\r\na=control:audio\r\n"
        f"m=video 0 RTP/AVP {_PAYLOAD}\r\na=rtpmap:{_PAYLOAD} {name}/{CLOCK_HZ}\r\n"
        f"a=framerate:{behaviour.fps}\r\na=control:video\r\n"
    )


def _pictures(behaviour: Behaviour) -> Iterator[tuple[float, list[bytes]]]:
    """When each picture was taken and its payloads, for ever: single units, parts, some together."""
    height, width = behaviour.size_hw
    encoder = av.CodecContext.create({"h264": "libx264", "hevc": "libx265"}[behaviour.codec], "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, behaviour.fps)
    encoder.thread_count = 1
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    if behaviour.codec == "hevc":
        encoder.options["x265-params"] = (
            f"keyint={behaviour.key_frames}:min-keyint=1:log-level=none:repeat-headers=1"
        )
    else:
        encoder.gop_size = behaviour.key_frames
    rng = np.random.default_rng(0)
    number = 0
    while True:
        image = rng.integers(80, 120, (height, width, 3), np.uint8)
        clock_s = time.monotonic()
        stamp(image, number, clock_s)
        frame = av.VideoFrame.from_ndarray(image, "bgr24")
        frame.pts = number
        data = b"".join(bytes(packet) for packet in encoder.encode(frame))
        yield (
            clock_s,
            list(_payloads(behaviour.codec, [unit for unit in re.split(b"\0\0\0?\1", data) if unit])),
        )
        number += 1


def _payloads(codec: str, units: list[bytes]) -> Iterator[bytes]:
    header = 2 if codec == "hevc" else 1
    small = [unit for unit in units if len(unit) < 100]
    if len(small) > 1:  # parameter sets in one packet
        together = b"".join(len(unit).to_bytes(2, "big") + unit for unit in small)
        yield (b"\x60\x01" if codec == "hevc" else b"\x78") + together
        units = [unit for unit in units if len(unit) >= 100]
    for unit in units:
        if len(unit) <= 1200:
            yield unit
            continue
        pieces = [unit[start : start + 1200] for start in range(header, len(unit), 1200)]
        for index, piece in enumerate(pieces):
            ends = (index == 0) << 7 | (index == len(pieces) - 1) << 6
            if codec == "hevc":
                yield bytes([unit[0] & 0x81 | 49 << 1, unit[1], ends | unit[0] >> 1 & 0x3F]) + piece
            else:
                yield bytes([unit[0] & 0xE0 | 28, ends | unit[0] & 0x1F]) + piece
