from __future__ import annotations

import struct

import pytest

from yolo_edge.sources.rtp import Depacketizer, RtpPacket, described_parameters, parse_rtp

KEY, SLICE, SPS, PPS = b"\x65key", b"\x41slice", b"\x67sps", b"\x68pps"
CODE = b"\0\0\0\1"


def _feed(units: Depacketizer, *packets: tuple[int, int, bool, bytes]) -> list:
    found = []
    for sequence, timestamp, marker, payload in packets:
        found += units.feed(RtpPacket(sequence, timestamp, marker, 96, payload), float(sequence))
    return found


def test_header() -> None:
    head = struct.pack(">BBHII", 0x80, 0x80 | 96, 7, 1234, 1)
    assert parse_rtp(head + b"abc") == RtpPacket(7, 1234, True, 96, b"abc")
    head = struct.pack(">BBHII", 0x80 | 0x30 | 1, 96, 7, 1234, 1)
    source, extension, padding = b"csrc", b"\0\0\0\1ext.", b"\0\0\3"
    assert parse_rtp(head + source + extension + b"abc" + padding) == RtpPacket(7, 1234, False, 96, b"abc")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(12), id="version 0"),
        pytest.param(b"\x80" + bytes(10), id="short"),
        pytest.param(b"\x90" + bytes(11), id="no room for its extension"),
        pytest.param(b"\xa0" + bytes(11) + b"\xff", id="more padding than packet"),
        pytest.param(b"\x8f" + bytes(13), id="no room for its sources"),
    ],
)
def test_what_is_no_packet(data: bytes) -> None:
    assert parse_rtp(data) is None


def test_a_picture_is_whole_with_its_marker() -> None:
    units = Depacketizer("h264")
    parameters = b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in (SPS, PPS))
    parts = [b"\x7c\x85ke", b"\x7c\x05y1", b"\x7c\x45y2"]
    first, second = _feed(
        units, (1, 0, False, parameters), *[(2 + n, 0, n == 2, part) for n, part in enumerate(parts)],
        (5, 6000, True, SLICE),
    )  # fmt: skip
    assert first.data == CODE + SPS + CODE + PPS + CODE + b"\x65key1y2"
    assert (first.is_key, first.after_loss, first.arrived, first.timestamp) == (True, False, 1.0, 0)
    assert (second.data, second.is_key, second.timestamp) == (CODE + SLICE, False, 6000)


def test_without_markers_it_is_whole_with_the_next_one() -> None:
    found = _feed(Depacketizer("h264"), (1, 0, False, KEY), (2, 10, False, SLICE), (3, 20, False, SLICE))
    assert [unit.timestamp for unit in found] == [0, 10]


def test_markers_on_every_packet_are_noticed() -> None:
    packets = [(2 * n + half, n * 10, True, SLICE) for n in range(5) for half in (0, 1)]
    found = _feed(Depacketizer("h264"), *packets, (10, 50, True, SLICE))
    assert [unit.data.count(CODE) for unit in found[2:]] == [2] * len(found[2:])
    assert found[1].after_loss


def test_a_lost_packet_shows_in_what_follows() -> None:
    found = _feed(Depacketizer("h264"), (65535, 0, True, KEY), (0, 10, True, SLICE), (2, 20, True, SLICE))
    assert [unit.after_loss for unit in found] == [False, False, True]


def test_timestamps_go_on_through_their_wrap() -> None:
    found = _feed(Depacketizer("h264"), (1, 2**32 - 5, True, KEY), (2, 5, True, SLICE), (3, 3, True, SLICE))
    assert [unit.timestamp - found[0].timestamp for unit in found] == [0, 10, 8]


def test_parameters_of_the_description_go_before_a_key_frame_without_its_own() -> None:
    parameters = described_parameters("h264", {"sprop-parameter-sets": "Z3Nwcw==,aHBwcw=="})
    assert parameters == CODE + b"gsps" + CODE + b"hpps"
    (unit,) = _feed(Depacketizer("h264", parameters), (1, 0, True, KEY))
    assert unit.data == parameters + CODE + KEY
    assert described_parameters("h264", {"sprop-parameter-sets": "!"}) == b""
    assert described_parameters("hevc", {}) == b""


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x78", id="no units"),
        pytest.param(b"\x78\x00\x00\x00", id="unit without length"),
        pytest.param(b"\x60\x01\xff\xff\x00", id="unit longer than its packet"),
        pytest.param(b"\x7c", id="part without header"),
        pytest.param(b"\x62\x01", id="part without header, H.265"),
    ],
)
def test_nonsense_is_survived(codec: str, payload: bytes) -> None:
    units = Depacketizer(codec)
    for marker in (False, True):
        _feed(units, (1, 0, marker, payload))
