"""Reads typed values out of parsed JSON and collects every fault instead of stopping at the first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from yolo_edge.bundle_json import shown
from yolo_edge.finite import is_finite_number

_MISSING = object()

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # what moves a terminal's cursor, changes its colours or ends a line
    "\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f"  # separators, invisible operators, direction of writing
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"  # byte order mark, annotations, tags
)

Choice = TypeVar("Choice", bound=str)
Fallback = TypeVar("Fallback")


def holds_control_characters(text: str) -> bool:
    """Whether a text would do more on a terminal than show itself; docs/bundle.md lists the characters.

    A fixed list, not ``str.isprintable``: what is assigned differs between versions of Unicode, and joiners,
    which Persian names and many emoji hold, are no danger.
    """
    return _CONTROL.search(text) is not None


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

    def integers(self, key: str, count: int, minimum: int, maximum: int) -> list[int]:
        """A list of ``count`` whole numbers within bounds."""
        value = self._get(key)
        if (
            isinstance(value, list)
            and len(value) == count
            and all(_is_integer(item) and minimum <= item <= maximum for item in value)
        ):
            return [int(item) for item in value]
        return self._wrong(
            key, value, f"{count} whole numbers from {minimum} to {maximum}", [minimum] * count
        )

    def numbers(self, key: str, count: int, limit: int | None = None) -> list[float]:
        """A list of ``count`` finite numbers, none of them beyond ``limit`` on either side of 0."""
        value = self._get(key)
        if (
            isinstance(value, list)
            and len(value) == count
            and all(is_finite_number(item) and (limit is None or abs(item) <= limit) for item in value)
        ):
            return [float(item) for item in value]
        bounds = "" if limit is None else f" from -{limit} to {limit}"
        return self._wrong(key, value, f"{count} numbers{bounds}", [0.0] * count)

    def pairs(self, key: str, minimum: float, maximum: float) -> tuple[tuple[float, float], ...]:
        """A non-empty list of [width, height] within bounds."""
        value = self._get(key)
        if (
            isinstance(value, list)
            and value
            and all(_is_pair(item) and all(minimum <= side <= maximum for side in item) for item in value)
        ):
            return tuple((float(first), float(second)) for first, second in value)
        return self._wrong(key, value, f"a list of [width, height] from {minimum:g} to {maximum:g}", ())

    def sizes(self, key: str, maximum: int) -> tuple[tuple[int, int], ...] | None:
        """``"dynamic"``, as None, or a non-empty list of [height, width] from 1."""
        value = self._get(key)
        if value == "dynamic":
            return None
        if (
            isinstance(value, list)
            and value
            and all(
                _is_pair(item) and all(_is_integer(side) and 1 <= side <= maximum for side in item)
                for item in value
            )
        ):
            return tuple((int(height), int(width)) for height, width in value)
        return self._wrong(key, value, f'"dynamic" or a list of [height, width] from 1 to {maximum}', None)

    def strings(self, key: str, minimum: int = 0) -> list[str]:
        """A list of strings."""
        value = self._get(key)
        if isinstance(value, list) and len(value) >= minimum and all(isinstance(item, str) for item in value):
            return value
        return self._wrong(
            key, value, f"a list of at least {minimum} strings" if minimum else "a list of strings", []
        )

    def text_map(self, key: str, maximum: int) -> dict[str, str]:
        """An object of 1 to ``maximum`` strings."""
        value = self._get(key)
        if (
            isinstance(value, dict)
            and 1 <= len(value) <= maximum
            and all(isinstance(item, str) for item in value.values())
        ):
            return value
        return self._wrong(key, value, f"an object of 1 to {maximum} strings", {})

    def refuse_control_characters(self, key: str, texts: Iterable[str]) -> None:
        """Adds a fault when one of the texts read from ``key`` holds any."""
        if any(map(holds_control_characters, texts)):
            self.fault(key, "holds control characters")

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

    def sections(
        self, key: str, minimum: int = 0, maximum: int | None = None, required: bool = True
    ) -> list[Fields]:
        """The list of objects under ``key``."""
        value = self.raw.get(key, _MISSING)
        if value is _MISSING and not required:
            return []
        if (
            isinstance(value, list)
            and len(value) >= minimum
            and (maximum is None or len(value) <= maximum)
            and all(isinstance(item, dict) for item in value)
        ):
            return [Fields(item, f"{self._path(key)}[{i}]", self._faults) for i, item in enumerate(value)]
        count = f"at least {minimum}" if maximum is None else f"{minimum} to {maximum}"
        return self._wrong(key, value, f"a list of {count} objects", [])

    def _get(self, key: str) -> Any:
        return self.raw.get(key, _MISSING)

    def _path(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key

    def _wrong(self, key: str, value: Any, expected: str, fallback: Fallback) -> Fallback:
        if value is _MISSING:
            self.fault(key, "is missing")
        else:
            self.fault(key, f"is {shown(value)}, not {expected}")
        return fallback


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_finite_number, value))
