"""EAN-13, EAN-8 and UPC-A (ISO/IEC 15420)."""

from __future__ import annotations

from yolo_edge.markers.barcodes.symbol import BarcodeSymbol, digits

# Set A (odd parity); C is its complement and B is C read backwards.
_A = [
    "0001101", "0011001", "0010011", "0111101", "0100011",
    "0110001", "0101111", "0111011", "0110111", "0001011",
]  # fmt: skip
_C = ["".join("10"[int(bit)] for bit in code) for code in _A]
_B = [code[::-1] for code in _C]
_PARITY = [
    "AAAAAA", "AABABB", "AABBAB", "AABBBA", "ABAABB",
    "ABBAAB", "ABBBAA", "ABABAB", "ABABBA", "ABBABA",
]  # fmt: skip
"""Sets of the left half's digits, by the first digit, which has no bars of its own."""
_GUARD, _CENTER = "101", "01010"


def check_digit(text: str) -> str:
    """The digit that makes the weighted sum, 3 and 1 in turn from the right, a multiple of 10."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(text)))
    return str(-total % 10)


def ean13(text: str) -> BarcodeSymbol:
    """EAN-13 of 12 digits, or of 13 whose last is checked.

    Raises:
        ValueError: Not so many digits, or a wrong check digit.
    """
    text = _checked("EAN-13", text, 12)
    sets = {"A": _A, "B": _B}
    left = "".join(sets[name][int(digit)] for name, digit in zip(_PARITY[int(text[0])], text[1:7]))
    right = "".join(_C[int(digit)] for digit in text[7:])
    bits = _GUARD + left + _CENTER + right + _GUARD
    return BarcodeSymbol("EAN-13", text, bits, quiet=(11, 7), guards=((0, 3), (45, 50), (92, 95)))


def upc_a(text: str) -> BarcodeSymbol:
    """UPC-A of 11 digits, or of 12 whose last is checked: an EAN-13 that starts with 0, with its own margins.

    Raises:
        ValueError: Not so many digits, or a wrong check digit.
    """
    text = _checked("UPC-A", text, 11)
    bits = ean13("0" + text).bits
    return BarcodeSymbol("UPC-A", text, bits, quiet=(9, 9), guards=((0, 10), (45, 50), (85, 95)))


def ean8(text: str) -> BarcodeSymbol:
    """EAN-8 of 7 digits, or of 8 whose last is checked.

    Raises:
        ValueError: Not so many digits, or a wrong check digit.
    """
    text = _checked("EAN-8", text, 7)
    left = "".join(_A[int(digit)] for digit in text[:4])
    right = "".join(_C[int(digit)] for digit in text[4:])
    bits = _GUARD + left + _CENTER + right + _GUARD
    return BarcodeSymbol("EAN-8", text, bits, quiet=(7, 7), guards=((0, 3), (31, 36), (64, 67)))


def _checked(symbology: str, text: str, length: int) -> str:
    digits(symbology, text)
    if len(text) not in (length, length + 1):
        raise ValueError(f"{symbology} takes {length} digits, or {length + 1} with its check digit: {text!r}")
    right = check_digit(text[:length])
    if len(text) > length and text[-1] != right:
        raise ValueError(f"{symbology} {text}: the check digit is {text[-1]}; it must be {right}")
    return text[:length] + right
