"""A 1-D symbol before it is drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BarcodeSymbol:
    """Bars and spaces of one symbol."""

    symbology: str
    """The standard's name."""
    content: str
    """What a reader reads, check digits that are part of it included."""
    bits: str
    """``1`` for a dark module, ``0`` for a light one, from the first bar to the last."""
    quiet: tuple[int, int] = (10, 10)
    """Light modules that the standard wants to the left and to the right."""
    guards: tuple[tuple[int, int], ...] = ()
    """Ranges of modules whose bars reach down between the digits; EAN and UPC only."""


def digits(symbology: str, text: str) -> None:
    """Refuses anything but digits.

    Raises:
        ValueError: With the text.
    """
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{symbology} takes digits only: {text!r}")


def bits_of_widths(widths: str) -> str:
    """Bits of bars and spaces in turn, a bar first, from their widths in modules."""
    return "".join("10"[place % 2] * int(width) for place, width in enumerate(widths))
