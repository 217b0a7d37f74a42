"""Reads typed values out of parsed JSON and collects every fault instead of stopping at the first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

_MISSING = object()

Choice = TypeVar("Choice", bound=str)
Fallback = TypeVar("Fallback")


class Fields:
    """One JSON object, its place in the document, and the list that faults go to.

    After a fault the reading methods return a harmless value of the right type; whoever started the
    reading looks at ``faults`` before using anything.
    """

    def __init__(self, raw: Mapping[str, Any], place: str, faults: list[str]) -> None:
        self.raw = raw
        self._place = place
        self._faults = faults

    def fault(self, key: str, text: str) -> None:
        """Adds a fault of the value under ``key``."""
        self._faults.append(f"{self._path(key)} {text}")

    def text(self, key: str) -> str:
        """A non-empty string."""
        value = self._get(key)
        if isinstance(value, str) and value:
            return value
        return self._wrong(key, value, "a non-empty string", "")

    def choice(self, key: str, allowed: Sequence[Choice]) -> Choice:
        """One of the allowed strings."""
        value = self._get(key)
        for choice in allowed:
            if value == choice:
                return choice
        return self._wrong(key, value, "one of " + ", ".join(allowed), allowed[0])

    def integer(self, key: str, minimum: int, maximum: int | None = None) -> int | None:
        """A whole number within bounds, or None after a fault."""
        value = self._get(key)
        if _is_integer(value) and value >= minimum and (maximum is None or value <= maximum):
            return int(value)
        bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        return self._wrong(key, value, f"a whole number {bounds}", None)

    def integers(self, key: str, count: int, minimum: int) -> list[int]:
        """A list of ``count`` whole numbers."""
        value = self._get(key)
        if (
            isinstance(value, list)
            and len(value) == count
            and all(map(_is_integer, value))
            and min(value) >= minimum
        ):
            return [int(item) for item in value]
        return self._wrong(key, value, f"{count} whole numbers of at least {minimum}", [minimum] * count)

    def numbers(self, key: str, count: int) -> list[float]:
        """A list of ``count`` finite numbers."""
        value = self._get(key)
        if isinstance(value, list) and len(value) == count and all(map(_is_number, value)):
            return [float(item) for item in value]
        return self._wrong(key, value, f"{count} numbers", [0.0] * count)

    def pairs(self, key: str, expected: str = "a list of [width, height]") -> tuple[tuple[float, float], ...]:
        """A non-empty list of pairs of positive numbers."""
        value = self._get(key)
        if isinstance(value, list) and value and all(map(_is_pair, value)):
            return tuple((float(first), float(second)) for first, second in value)
        return self._wrong(key, value, expected, ())

    def strings(self, key: str, minimum: int = 0) -> list[str]:
        """A list of strings."""
        value = self._get(key)
        if isinstance(value, list) and len(value) >= minimum and all(isinstance(item, str) for item in value):
            return value
        return self._wrong(key, value, "a list of strings", [])

    def text_map(self, key: str) -> dict[str, str]:
        """A non-empty object whose values are strings."""
        value = self._get(key)
        if isinstance(value, dict) and value and all(isinstance(item, str) for item in value.values()):
            return value
        return self._wrong(key, value, "an object of strings", {})

    def section(self, key: str, required: bool = True) -> Fields:
        """The object under ``key``; empty after a fault or when it is absent and not required."""
        value = self.raw.get(key, _MISSING)
        if isinstance(value, dict):
            return Fields(value, self._path(key), self._faults)
        if value is not _MISSING or required:
            self._wrong(key, value, "an object", None)
            # Its keys would only repeat that it is not there.
            return Fields({}, self._path(key), [])
        return Fields({}, self._path(key), self._faults)

    def sections(self, key: str, minimum: int = 0, required: bool = True) -> list[Fields]:
        """The list of objects under ``key``."""
        value = self.raw.get(key, _MISSING)
        if value is _MISSING and not required:
            return []
        if (
            isinstance(value, list)
            and len(value) >= minimum
            and all(isinstance(item, dict) for item in value)
        ):
            return [Fields(item, f"{self._path(key)}[{i}]", self._faults) for i, item in enumerate(value)]
        return self._wrong(key, value, f"a list of at least {minimum} objects", [])

    def _get(self, key: str) -> Any:
        return self.raw.get(key, _MISSING)

    def _path(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key

    def _wrong(self, key: str, value: Any, expected: str, fallback: Fallback) -> Fallback:
        if value is _MISSING:
            self.fault(key, "is missing")
        else:
            shown = repr(value)
            self.fault(key, f"is {shown[:60] + '…' if len(shown) > 60 else shown}, not {expected}")
        return fallback


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(_is_number(item) and item > 0 for item in value)
    )
