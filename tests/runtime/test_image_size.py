from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_edge.datasets import image_size
from yolo_edge.datasets.image_size import read_image_size
from yolo_edge.errors import SourceError
from yolo_edge.sources.images import read_image

SIZE_HW = (37, 61)


def encoded(suffix: str, *options: int, gray: bool = False) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE_HW, 1 if gray else 3), np.uint8)
    done, data = cv2.imencode(suffix, pixels, list(options))
    assert done
    return data.tobytes()


def tiff_header(orientation: int, order: str = ">", kind: int = 3, tag: int = 0x0112) -> bytes:
    """An EXIF block with one entry."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    value = struct.pack(f"{order}HH", orientation, 0) if kind == 3 else struct.pack(f"{order}I", orientation)
    return mark + struct.pack(f"{order}IHHHI", 8, 1, tag, kind, 1) + value + b"\0\0\0\0"


def jpeg_with(*blocks: bytes) -> bytes:
    data = encoded(".jpg")
    segments = [b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block for block in blocks]
    return data[:2] + b"".join(segments) + data[2:]


def png_with(kind: bytes, block: bytes, *, last: bool = False) -> bytes:
    data = encoded(".png")
    body = kind + block
    chunk = struct.pack(">I", len(block)) + body + struct.pack(">I", zlib.crc32(body))
    place = len(data) - 12 if last else 33
    return data[:place] + chunk + data[place:]


FROM_HEADER = {
    "jpeg": encoded(".jpg"),
    "progressive jpeg": encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "gray jpeg": encoded(".jpg", gray=True),
    "jpeg with restarts": encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "png": encoded(".png"),
    "gray png": encoded(".png", gray=True),
    "png with text": png_with(b"tEXt", b"Title\0x"),
    "exif of another thing": jpeg_with(tiff_header(6, tag=0x0110)),
    **{f"orientation {value}": jpeg_with(tiff_header(value)) for value in range(10)},
    **{f"little orientation {value}": jpeg_with(tiff_header(value, "<")) for value in (1, 3, 6)},
}
DECODED = {
    "bmp": encoded(".bmp"),
    "webp": encoded(".webp"),
    "tiff": encoded(".tiff"),
    "ppm": encoded(".ppm"),
    "turned png": png_with(b"eXIf", tiff_header(6)),
    "png turned at its end": png_with(b"eXIf", tiff_header(6), last=True),
    "two exif blocks": jpeg_with(tiff_header(6), tiff_header(1)),
    "two exif blocks, the other first": jpeg_with(tiff_header(1), tiff_header(6)),
    "orientation as a long": jpeg_with(tiff_header(6, kind=4)),
    "damaged exif": jpeg_with(tiff_header(6)[:12]),
    "exif of no order": jpeg_with(b"XX" + tiff_header(6)[2:]),
    "jpeg and more": encoded(".jpg") + b"more",
    "png and more": encoded(".png") + b"more",
}


@pytest.mark.parametrize("data", [*FROM_HEADER.values(), *DECODED.values()], ids=[*FROM_HEADER, *DECODED])
def test_the_size_is_that_of_the_decoded_image(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "image.jpg"  # what is inside decides
    path.write_bytes(data)
    assert read_image_size(path) == read_image(path).shape[:2]
    assert sorted(read_image_size(path)) == sorted(SIZE_HW)


@pytest.mark.parametrize("data", FROM_HEADER.values(), ids=FROM_HEADER)
def test_usual_files_are_not_decoded(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(path: Path) -> None:
        raise AssertionError(f"{path} was decoded")

    path = tmp_path / "image.jpg"
    path.write_bytes(data)
    monkeypatch.setattr(image_size, "read_image", decode)
    assert sorted(read_image_size(path)) == sorted(SIZE_HW)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_cut_files(tmp_path: Path, suffix: str) -> None:
    data = encoded(suffix)
    path = tmp_path / f"image{suffix}"
    for length in [*range(0, 200, 3), *range(200, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        try:
            expected = read_image(path).shape[:2]
        except SourceError as error:
            with pytest.raises(SourceError) as caught:
                read_image_size(path)
            assert str(caught.value) == str(error)
        else:
            assert read_image_size(path) == expected


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none.jpg: cannot be read: No such file"):
        read_image_size(tmp_path / "none.jpg")
    with pytest.raises(SourceError, match="cannot be read: Is a directory"):
        read_image_size(tmp_path)
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(SourceError, match="does not decode as an image"):
        read_image_size(tmp_path / "text.png")


def test_real_photographs(shared: Path) -> None:
    photographs = sorted((shared / "data" / "coco-val64" / "images").iterdir())[:16]
    assert photographs
    for path in photographs:
        assert read_image_size(path) == read_image(path).shape[:2]
