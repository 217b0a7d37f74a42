"""Whole pictures out of RTP packets (RFC 3550) with H.264 (RFC 6184) or H.265 (RFC 7798) in them."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_START_CODE = b"\x00\x00\x00\x01"


@dataclass(frozen=True)
class RtpPacket:
    """What an RTP packet says."""

    sequence: int
    timestamp: int
    marker: bool
    payload_type: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """Reads a packet; None when it is none."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    flags, kind, sequence, timestamp = struct.unpack_from(">BBHI", data)
    start, end = 12 + 4 * (flags & 15), len(data)
    if flags & 0x10:  # a header extension
        if end < start + 4:
            return None
        start += 4 + 4 * int(struct.unpack_from(">H", data, start + 2)[0])
    if flags & 0x20:  # padding; its last byte is its length
        end -= data[-1]
    if start > end:
        return None
    return RtpPacket(sequence, timestamp, bool(kind & 0x80), kind & 0x7F, data[start:end])


@dataclass(frozen=True)
class AccessUnit:
    """The compressed data of one picture, with start codes."""

    data: bytes
    timestamp: int
    """Of the RTP clock, counted on through its wraps."""
    arrived: float
    """When its first packet came."""
    is_key: bool
    """Whether decoding can begin with it."""
    after_loss: bool
    """Whether packets are missing in it or before it."""


class Codec:
    """How a codec's packets and units are told apart."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._hevc = name == "hevc"

    def units(self, payload: bytes) -> list[tuple[bytes, bool]] | None:
        """The NAL units, or parts of one, in a packet; each with whether it begins; None for nonsense."""
        header = 2 if self._hevc else 1
        if len(payload) <= header:
            return None
        kind = payload[0] >> 1 & 0x3F if self._hevc else payload[0] & 0x1F
        if kind == (48 if self._hevc else 24):  # several units
            return _aggregated(payload[header:])
        if kind == (49 if self._hevc else 28):  # a part of one
            state = payload[header]
            begins = bool(state & 0x80)
            if not begins:
                return [(payload[header + 1 :], False)]
            if self._hevc:
                first = bytes([(payload[0] & 0x81) | (state & 0x3F) << 1, payload[1]])
            else:
                first = bytes([(payload[0] & 0xE0) | (state & 0x1F)])
            return [(first + payload[header + 1 :], True)]
        return [(payload, True)]

    def has_picture(self, unit: bytes) -> bool:
        """Whether it holds picture data, not parameters only."""
        return unit[0] >> 1 & 0x3F < 32 if self._hevc else 1 <= unit[0] & 0x1F <= 5

    def begins_decoding(self, unit: bytes) -> bool:
        """Whether decoding can begin with the picture that has this unit."""
        if self._hevc:
            return 16 <= unit[0] >> 1 & 0x3F <= 23 or self.is_parameters(unit)
        return unit[0] & 0x1F == 5 or self.is_parameters(unit)

    def is_parameters(self, unit: bytes) -> bool:
        """Whether it is a sequence parameter set, which cameras send where decoding can begin."""
        return unit[0] >> 1 & 0x3F == 33 if self._hevc else unit[0] & 0x1F == 7


class Depacketizer:
    """Collects the packets of each picture.

    A picture is whole with the packet that has the marker. Cameras that set it wrongly are noticed; their
    pictures are whole when the next one begins.

    Args:
        codec: ``h264`` or ``hevc``.
        parameters: Parameter sets from the stream's description, put before the first picture without them.
    """

    def __init__(self, codec: str, parameters: bytes = b"") -> None:
        self._codec = Codec(codec)
        self._parameters = parameters
        self._sequence: int | None = None
        self._timestamp: int | None = None
        self._unwrapped = 0
        self._finished: int | None = None
        self._marker_ok = True
        self._loss = False
        self._parts: list[bytes] = []
        self._arrived = 0.0
        self._is_key = self._has_picture = self._has_parameters = False

    def feed(self, packet: RtpPacket, arrived: float) -> list[AccessUnit]:
        """Takes the next packet; returns the pictures that it completes."""
        done: list[AccessUnit] = []
        if self._sequence is not None and packet.sequence != (self._sequence + 1) & 0xFFFF:
            self._loss = True
        self._sequence = packet.sequence
        if packet.timestamp != self._timestamp:
            if self._parts:
                done += self._finish()
            self._advance(packet.timestamp)
        elif self._finished == self._unwrapped and self._marker_ok:
            # A picture went on after its marker: it was given out too early.
            self._marker_ok = False
            self._loss = True
        units = self._codec.units(packet.payload)
        if units is None:
            self._loss = self._loss or bool(packet.payload)
            return done
        if not self._parts:
            self._arrived = arrived
        for unit, begins in units:
            if begins:
                self._parts.append(_START_CODE)
                self._has_picture = self._has_picture or self._codec.has_picture(unit)
                self._is_key = self._is_key or self._codec.begins_decoding(unit)
                self._has_parameters = self._has_parameters or self._codec.is_parameters(unit)
            self._parts.append(unit)
        if packet.marker and self._marker_ok and self._has_picture:
            done += self._finish()
        return done

    def _finish(self) -> list[AccessUnit]:
        if not self._has_picture:  # parameters with a timestamp of their own belong to what follows
            return []
        data = b"".join(self._parts)
        if self._is_key and not self._has_parameters:
            data = self._parameters + data
        unit = AccessUnit(data, self._unwrapped, self._arrived, self._is_key, self._loss)
        self._finished, self._loss = self._unwrapped, False
        self._parts = []
        self._is_key = self._has_picture = self._has_parameters = False
        return [unit]

    def _advance(self, timestamp: int) -> None:
        if self._timestamp is None:
            self._unwrapped = timestamp
        else:
            step = (timestamp - self._timestamp) & 0xFFFFFFFF
            self._unwrapped += step - (1 << 32) if step >= 1 << 31 else step
        self._timestamp = timestamp


def described_parameters(codec: str, format_parameters: Mapping[str, str]) -> bytes:
    """The parameter sets in a description's ``fmtp`` line, with start codes; empty where there are none."""
    keys = ("sprop-vps", "sprop-sps", "sprop-pps") if codec == "hevc" else ("sprop-parameter-sets",)
    found = b""
    for key in keys:
        for text in filter(None, format_parameters.get(key, "").split(",")):
            try:
                found += _START_CODE + base64.b64decode(text, validate=True)
            except binascii.Error:
                return b""  # a camera sends them in the stream, too
    return found


def _aggregated(data: bytes) -> list[tuple[bytes, bool]] | None:
    found = []
    while len(data) > 2:
        length = int.from_bytes(data[:2], "big")
        if not 0 < length <= len(data) - 2:
            return None
        found.append((data[2 : 2 + length], True))
        data = data[2 + length :]
    return found
