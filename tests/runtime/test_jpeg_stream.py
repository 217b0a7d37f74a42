from __future__ import annotations

import cv2
import numpy as np
import pytest

from yolo_edge.sources.jpeg_stream import MOST_BETWEEN, JpegSplitter, jpeg_picture
from yolo_edge.sources.live import DamagedPicture
from yolo_edge.sources.reconnect import StreamLost


def _jpeg(seed: int, *options: int) -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), np.uint8)
    return cv2.imencode(".jpg", image, options)[1].tobytes()


PICTURES = [
    _jpeg(0),
    _jpeg(1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    _jpeg(2, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    # A thumbnail in a segment has markers of its own.
    _jpeg(3)[:2] + b"\xff\xe1" + (2 + len(_jpeg(4))).to_bytes(2, "big") + _jpeg(4) + _jpeg(3)[2:],
]


def _split(data: bytes, step: int) -> tuple[list[bytes], JpegSplitter]:
    splitter, found = JpegSplitter(), []
    for start in range(0, len(data), step):
        found += [jpeg.data for jpeg in splitter.feed(data[start : start + step], start)]
    return found, splitter


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize(
    "between",
    [
        pytest.param(b"", id="nothing between"),
        pytest.param(b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n", id="multipart"),
        pytest.param(b"\xff\xff\x00", id="fill bytes"),
    ],
)
def test_finds_whole_pictures(step: int, between: bytes) -> None:
    found, splitter = _split(between.join([b"", *PICTURES, *PICTURES, b""]), step)
    assert found == PICTURES * 2
    assert splitter.damaged == 0


@pytest.mark.parametrize("cut", [5, 100, 700, -2])
def test_a_cut_picture_is_left_out_and_counted(cut: int) -> None:
    boundary = b"\r\n--frame\r\n\r\n"
    found, splitter = _split(boundary.join([PICTURES[0], PICTURES[2][:cut], PICTURES[1], PICTURES[0]]), 100)
    assert set(found) <= {PICTURES[0], PICTURES[1]}
    assert found[0] == found[-1] == PICTURES[0]
    assert splitter.damaged >= 1


def test_says_when_the_first_bytes_came_and_what_stood_before() -> None:
    splitter = JpegSplitter()
    head = b"--frame\r\nX-Timestamp: 12.5\r\n\r\n"
    assert list(splitter.feed(head + PICTURES[0][:50], 1.0)) == []
    (jpeg,) = splitter.feed(PICTURES[0][50:], 2.0)
    assert (jpeg.arrived, jpeg.before, jpeg.data) == (1.0, head, PICTURES[0])


def test_empty() -> None:
    assert list(JpegSplitter().feed(b"", 0.0)) == []


def test_what_is_no_mjpeg_is_given_up() -> None:
    splitter = JpegSplitter()
    with pytest.raises(StreamLost, match="no JPEG pictures"):
        for _ in range(MOST_BETWEEN // 1000 + 10):
            list(splitter.feed(bytes(1000), 0.0))


def test_memory_is_bounded() -> None:
    splitter = JpegSplitter()
    list(splitter.feed(PICTURES[0][:-2], 0.0))
    with pytest.raises(StreamLost, match="more than 64 MB"):
        for _ in range(70):
            list(splitter.feed(bytes(1 << 20), 0.0))


def test_pictures_are_decoded_when_wanted() -> None:
    assert jpeg_picture(PICTURES[0], 0.0).to_bgr().shape == (48, 64, 3)
    with pytest.raises(DamagedPicture):
        jpeg_picture(b"\xff\xd8\xff\xd9", 0.0).to_bgr()
