"""Code 128 (ISO/IEC 15417), code sets B and C."""

from __future__ import annotations

from yolo_edge.markers.barcodes.symbol import BarcodeSymbol, bits_of_widths

WIDTHS = [
    "212222", "222122", "222221", "121223", "121322", "131222", "122213", "122312", "132212", "221213",
    "221312", "231212", "112232", "122132", "122231", "113222", "123122", "123221", "223211", "221132",
    "221231", "213212", "223112", "312131", "311222", "321122", "321221", "312212", "322112", "322211",
    "212123", "212321", "232121", "111323", "131123", "131321", "112313", "132113", "132311", "211313",
    "231113", "231311", "112133", "112331", "132131", "113123", "113321", "133121", "313121", "211331",
    "231131", "213113", "213311", "213131", "311123", "311321", "331121", "312113", "312311", "332111",
    "314111", "221411", "431111", "111224", "111422", "121124", "121421", "141122", "141221", "112214",
    "112412", "122114", "122411", "142112", "142211", "241211", "221114", "413111", "241112", "134111",
    "111242", "121142", "121241", "114212", "124112", "124211", "411212", "421112", "421211", "212141",
    "214121", "412121", "111143", "111341", "131141", "114113", "114311", "411113", "411311", "113141",
    "114131", "311141", "411131", "211412", "211214", "211232", "2331112",
]  # fmt: skip
"""Widths of bars and spaces by symbol value; the last is the stop pattern."""
_TO_C, _TO_B, _START_B, _START_C, _STOP = 99, 100, 104, 105, 106


def symbol_values(text: str) -> list[int]:
    """Values from the start character to the check character, without the stop.

    Pairs of digits go in set C where four or more follow each other, everything else in set B.

    Raises:
        ValueError: Empty, or a character that set B has not.
    """
    if not text:
        raise ValueError("Code 128 takes at least one character")
    if wrong := sorted({letter for letter in text if not " " <= letter <= "\x7e"}):
        raise ValueError(f"Code 128 takes printable ASCII here, and not {wrong}: {text!r}")
    values: list[int] = []
    in_c, place = False, 0
    while place < len(text):
        end = place
        while end < len(text) and text[end].isdigit():
            end += 1
        pairs = (end - place) // 2
        if pairs >= (1 if in_c else 2):
            if not in_c:
                values.append(_TO_C if values else _START_C)
                in_c = True
            values += [int(text[at : at + 2]) for at in range(place, place + 2 * pairs, 2)]
            place += 2 * pairs
            continue
        if in_c or not values:
            values.append(_TO_B if values else _START_B)
            in_c = False
        values.append(ord(text[place]) - 32)
        place += 1
    weighted = values[0] + sum(weight * value for weight, value in enumerate(values[1:], 1))
    return [*values, weighted % 103]


def code128(text: str) -> BarcodeSymbol:
    """Code 128 of printable ASCII.

    Raises:
        ValueError: As :func:`symbol_values`.
    """
    bits = "".join(bits_of_widths(WIDTHS[value]) for value in [*symbol_values(text), _STOP])
    return BarcodeSymbol("Code 128", text, bits)
