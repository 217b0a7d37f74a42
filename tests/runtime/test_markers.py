"""Codes are drawn as their standards say: other people's readers read them."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
import zxingcpp

from yolo_edge.markers import (
    CLASS_NAMES,
    SYMBOLOGIES,
    FlatCode,
    dictionary_names,
    draw_barcode,
    draw_fiducial,
    draw_qr,
    random_code,
)
from yolo_edge.markers.barcodes.code128 import WIDTHS, symbol_values
from yolo_edge.markers.barcodes.ean import check_digit
from yolo_edge.markers.barcodes.two_width import CODE39

BARCODES = [
    pytest.param("EAN-13", "5901234123457", zxingcpp.BarcodeFormat.EAN13, id="ean 13"),
    pytest.param("EAN-13", "0123456789012", zxingcpp.BarcodeFormat.EAN13, id="ean 13 with a leading zero"),
    pytest.param("EAN-8", "96385074", zxingcpp.BarcodeFormat.EAN8, id="ean 8"),
    pytest.param("UPC-A", "036000291452", zxingcpp.BarcodeFormat.UPCA, id="upc a"),
    pytest.param("Code 128", "Wikipedia", zxingcpp.BarcodeFormat.Code128, id="code 128 in set B"),
    pytest.param("Code 128", "00123456789012", zxingcpp.BarcodeFormat.Code128, id="code 128 in set C"),
    pytest.param("Code 128", "AB1234567cd", zxingcpp.BarcodeFormat.Code128, id="code 128 in both"),
    pytest.param("Code 128", "~", zxingcpp.BarcodeFormat.Code128, id="code 128 of one character"),
    pytest.param("Code 39", "0123456789", zxingcpp.BarcodeFormat.Code39, id="code 39 digits"),
    pytest.param("Code 39", "ABCDEFGHIJKLM", zxingcpp.BarcodeFormat.Code39, id="code 39 A to M"),
    pytest.param("Code 39", "NOPQRSTUVWXYZ", zxingcpp.BarcodeFormat.Code39, id="code 39 N to Z"),
    pytest.param("Code 39", "-. $/+%", zxingcpp.BarcodeFormat.Code39, id="code 39 signs"),
    pytest.param("ITF", "0123456789", zxingcpp.BarcodeFormat.ITF, id="itf"),
    pytest.param("ITF", "30712345000010", zxingcpp.BarcodeFormat.ITF, id="itf 14"),
]


@pytest.mark.parametrize("with_digits", [True, False], ids=["digits", "no digits"])
@pytest.mark.parametrize(("symbology", "content", "kind"), BARCODES)
def test_barcodes_are_read(symbology: str, content: str, kind: object, with_digits: bool) -> None:
    code = draw_barcode(symbology, content, with_digits=with_digits, module_px=2)
    (read,) = zxingcpp.read_barcodes(code.image, formats=kind, try_rotate=False)
    expected = code.content
    assert read.text.lstrip("0") == expected.lstrip("0")
    assert (code.class_name, code.symbology, code.content) == ("barcode", symbology, content)


@pytest.mark.parametrize("content", ["5901234123457", "4006381333931"])
def test_opencv_reads_ean_13(content: str) -> None:
    # Its detector wants some room around the code, and is picky about its scale.
    picture = np.pad(draw_barcode("EAN-13", content, module_px=2).image, 60, constant_values=255)
    text = cv2.barcode.BarcodeDetector().detectAndDecode(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))[0]
    assert text == content


def test_published_check_digits() -> None:
    assert (check_digit("590123412345"), check_digit("9638507"), check_digit("03600029145")) == (
        "7",
        "4",
        "2",
    )
    # The example of Wikipedia's article on Code 128.
    assert symbol_values("PJJ123C") == [104, 48, 42, 42, 17, 18, 19, 35, 55]


def test_tables_have_the_standards_properties() -> None:
    assert len(set(WIDTHS)) == len(WIDTHS) == 107
    for widths in WIDTHS[:-1]:
        sizes = [int(width) for width in widths]
        assert sum(sizes) == 11
        assert sum(sizes[::2]) % 2 == 0  # even parity of the bars
    assert sum(map(int, WIDTHS[-1])) == 13
    assert len(set(CODE39.values())) == len(CODE39) == 44
    assert all(len(wide) == 9 and wide.count("1") == 3 for wide in CODE39.values())


@pytest.mark.parametrize("level", list("LMQH"))
@pytest.mark.parametrize(
    ("content", "version", "side"),
    [
        pytest.param("1", None, 21, id="one digit"),
        pytest.param("HELLO WORLD", 2, 25, id="letters"),
        pytest.param("https://example.org/a?b=c", 6, 41, id="address"),
        pytest.param("grüße, 世界", 7, 45, id="beyond ASCII"),
    ],
)
def test_qr_codes_are_read(content: str, version: int | None, side: int, level: str) -> None:
    code = draw_qr(content, level=level, version=version, module_px=4)
    assert code.symbology == f"QR version {(side - 17) // 4}-{level}"
    assert code.image.shape == ((side + 8) * 4, (side + 8) * 4)
    (read,) = zxingcpp.read_barcodes(code.image)
    assert read.text == content
    assert cv2.QRCodeDetector().detectAndDecode(code.image)[0] == content


@pytest.mark.parametrize("name", dictionary_names())
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_fiducials_are_read(name: str, last: bool) -> None:
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))
    number = len(dictionary.bytesList) - 1 if last else 0
    code = draw_fiducial(name, number, module_px=10)
    picture = np.pad(code.image, 20, constant_values=255)
    corners, ids, _ = cv2.aruco.ArucoDetector(dictionary).detectMarkers(picture)
    assert ids is not None and ids.ravel().tolist() == [number]
    expected = np.array(code.extent) + 20
    found = corners[0].reshape(-1, 2)
    np.testing.assert_allclose([*found.min(axis=0), *found.max(axis=0) + 1], expected, atol=1)


def test_dictionaries_are_all_of_opencv() -> None:
    values = {getattr(cv2.aruco, name) for name in dir(cv2.aruco) if name.startswith("DICT_")}
    names = dictionary_names()
    assert len(names) == len(values)
    assert {"DICT_4X4_50", "DICT_7X7_1000", "DICT_APRILTAG_36h11", "DICT_ARUCO_ORIGINAL"} <= set(names)


CODES = [
    pytest.param(draw_qr("extent", module_px=3), 4, id="qr"),
    pytest.param(draw_fiducial("DICT_5X5_100", 7, module_px=5), 1, id="marker"),
    pytest.param(draw_barcode("Code 128", "extent", with_digits=False, module_px=2), 10, id="code 128"),
    pytest.param(draw_barcode("EAN-8", "1234567", with_digits=False, module_px=2), 7, id="ean 8"),
    pytest.param(draw_barcode("EAN-13", "123456789012", with_digits=False, module_px=2), 7, id="ean 13"),
]


@pytest.mark.parametrize(("code", "quiet"), CODES)
def test_extent_is_that_of_the_modules(code: FlatCode, quiet: int) -> None:
    rows, columns = np.nonzero(code.image < 128)
    assert code.extent == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    left, _, right, _ = code.extent
    assert min(left, code.image.shape[1] - right) == quiet * code.module_px


def test_extent_leaves_the_figures_out() -> None:
    plain = draw_barcode("EAN-13", "123456789012", with_digits=False, height=40, module_px=2)
    figures = draw_barcode("EAN-13", "123456789012", height=40, module_px=2)
    assert figures.extent[3] - figures.extent[1] == (40 + 5) * 2  # the guard bars reach down
    assert plain.extent[3] - plain.extent[1] == 40 * 2
    assert (figures.image[figures.extent[3] :] < 128).any()


WRONG = [
    pytest.param(lambda: draw_qr(""), "needs some content", id="empty qr"),
    pytest.param(lambda: draw_qr("a", level="X"), "level is 'X'; it must be one of L, M, Q, H", id="level"),
    pytest.param(lambda: draw_qr("a", version=41), "version is 41; it must be from 1 to 40", id="version"),
    pytest.param(lambda: draw_qr("a" * 99, version=1), "99 characters do not fit into", id="too long"),
    pytest.param(lambda: draw_fiducial("DICT_9X9", 0), "known: DICT_4X4_50, ", id="dictionary"),
    pytest.param(lambda: draw_fiducial("DICT_4X4_50", 50), "has 0 to 49", id="marker id"),
    pytest.param(lambda: draw_fiducial("DICT_4X4_50", 0, border=0), "border is 0", id="border"),
    pytest.param(lambda: draw_barcode("Code 93", "1"), "known: Code 128, Code 39, EAN-13, ", id="symbology"),
    pytest.param(lambda: draw_barcode("ITF", "12", height=0), "height is 0", id="height"),
    pytest.param(lambda: draw_barcode("ITF", "123"), "an even number of digits", id="odd itf"),
    pytest.param(lambda: draw_barcode("ITF", ""), "digits only", id="empty itf"),
    pytest.param(lambda: draw_barcode("EAN-13", "123"), "takes 12 digits, or 13", id="short ean"),
    pytest.param(lambda: draw_barcode("EAN-13", "5901234123450"), "is 0; it must be 7", id="check digit"),
    pytest.param(lambda: draw_barcode("UPC-A", "ⅷ" * 11), "digits only", id="no ascii digits"),
    pytest.param(lambda: draw_barcode("Code 39", "abc"), "Code 39 has no ['a', 'b', 'c']", id="code 39"),
    pytest.param(lambda: draw_barcode("Code 39", "A*B"), "Code 39 has no ['*']", id="code 39 stop"),
    pytest.param(lambda: draw_barcode("Code 128", ""), "at least one character", id="empty code 128"),
    pytest.param(lambda: draw_barcode("Code 128", "ä"), "printable ASCII", id="code 128"),
    pytest.param(
        lambda: random_code(np.random.default_rng(0), "aztec"), "known: qr_code, marker", id="class"
    ),
]


@pytest.mark.parametrize(("draw", "text"), WRONG)
def test_what_cannot_be_drawn(draw: object, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        draw()  # type: ignore[operator]  # a lambda of the table
    assert text in str(caught.value)


@pytest.mark.parametrize("class_name", CLASS_NAMES)
def test_random_codes(class_name: str) -> None:
    first, second = (np.random.default_rng(5) for _ in range(2))
    symbologies = set()
    for _ in range(40):
        code, same = random_code(first, class_name), random_code(second, class_name)
        assert code.class_name == class_name and CLASS_NAMES[code.class_id] == class_name
        assert code.symbology == same.symbology and np.array_equal(code.image, same.image)
        symbologies.add(code.symbology)
        if class_name != "marker":
            (read,) = zxingcpp.read_barcodes(code.image)
            assert read.text.lstrip("0") == code.content.lstrip("0")
    assert len(symbologies) > 4
    assert class_name != "barcode" or symbologies == set(SYMBOLOGIES)


def test_importing_it_is_cheap() -> None:
    script = "import sys, yolo_edge.markers; print(sorted({'cv2', 'torch', 'yolo_train'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
