"""Narrow and wide elements: Code 39 (ISO/IEC 16388) and ITF, interleaved 2 of 5 (ISO/IEC 16390)."""

from __future__ import annotations

from yolo_edge.markers.barcodes.symbol import BarcodeSymbol, bits_of_widths, digits

WIDE = 3
"""Modules of a wide element; the standards allow 2 to 3."""

_CODE39_WIDE = [
    "000110100", "100100001", "001100001", "101100000", "000110001", "100110000", "001110000", "000100101",
    "100100100", "001100100", "100001001", "001001001", "101001000", "000011001", "100011000", "001011000",
    "000001101", "100001100", "001001100", "000011100", "100000011", "001000011", "101000010", "000010011",
    "100010010", "001010010", "000000111", "100000110", "001000110", "000010110", "110000001", "011000001",
    "111000000", "010010001", "110010000", "011010000", "010000101", "110000100", "011000100", "010101000",
    "010100010", "010001010", "000101010", "010010100",
]  # fmt: skip
CODE39 = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%*", _CODE39_WIDE))
"""Elements of each character, bars and spaces in turn: 1 is a wide one."""
_ITF = ["00110", "10001", "01001", "11000", "00101", "10100", "01100", "00011", "10010", "01010"]


def code39(text: str) -> BarcodeSymbol:
    """Code 39 of digits, capital letters and ``-. $/+%``, without a check character.

    Raises:
        ValueError: Empty, or a character it has not.
    """
    if not text:
        raise ValueError("Code 39 takes at least one character")
    if wrong := sorted(set(text) - set(CODE39) | set(text) & {"*"}):
        raise ValueError(f"Code 39 has no {wrong}: {text!r}")
    # A narrow space parts the characters.
    bits = "0".join(bits_of_widths(_widths(CODE39[letter])) for letter in f"*{text}*")
    return BarcodeSymbol("Code 39", text, bits)


def itf(text: str) -> BarcodeSymbol:
    """ITF of an even number of digits: the bars say the first of two, the spaces between them the second.

    Raises:
        ValueError: Empty, an odd number, or something else than digits.
    """
    digits("ITF", text)
    if len(text) % 2:
        raise ValueError(f"ITF takes an even number of digits: {text!r}")
    pairs = (zip(_ITF[int(first)], _ITF[int(second)]) for first, second in zip(text[::2], text[1::2]))
    flags = "0000" + "".join(bar + space for pair in pairs for bar, space in pair) + "100"
    return BarcodeSymbol("ITF", text, bits_of_widths(_widths(flags)))


def _widths(flags: str) -> str:
    return "".join(str(WIDE if flag == "1" else 1) for flag in flags)
