"""JSON as ``bundle.json`` may hold it: stricter than Python's, and the same for every reader of a bundle.

JSON leaves open what a repeated key means, how large a number may be and how deep a document may nest; each
library settles it in its own way. Here whatever two readers could take differently is refused. The C++ reader
(cpp/runtime/src/bundle_json.cpp) has the same rules, docs/bundle.md lists them.
"""

from __future__ import annotations

import json
import math
from typing import Any

LARGEST_MANIFEST = 16 << 20
"""Bytes; a manifest has some thousand."""

DEEPEST = 64
"""Levels of arrays and objects, the outermost counted."""

_INTEGERS = range(-(2**63), 2**63)


def parse_json(data: bytes) -> Any:
    """Parses strict JSON.

    Raises:
        ValueError: Not JSON in UTF-8, or what the rules above leave out. A byte order mark, NaN and Infinity,
            numbers beyond float64 and whole numbers beyond int64, a repeated key, half a surrogate pair.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_number,
        )
    except RecursionError:
        raise ValueError(f"it nests deeper than {DEEPEST} levels") from None
    _check(value, 1)
    return value


def shown(value: Any) -> str:
    """A parsed value for a message: its JSON text in ASCII, shortened."""
    text = json.dumps(value, separators=(",", ":"), default=repr)
    return text[:60] + "…" if len(text) > 60 else text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {shown(key)} stands twice in one object")
            seen.add(key)
    return content


def _integer(text: str) -> int:
    # 20 characters hold every int64; converting millions of digits would take hours.
    if len(text) > 20 or int(text) not in _INTEGERS:
        raise ValueError("a whole number needs more than 64 bits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is larger than a float64 can be")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _check(value: Any, depth: int) -> None:
    """Refuses what only the finished values show."""
    if isinstance(value, str):
        value.encode("utf-8")  # half a surrogate pair, written as an escape, is a UnicodeEncodeError
    elif isinstance(value, (dict, list)):
        if depth > DEEPEST:
            raise ValueError(f"it nests deeper than {DEEPEST} levels")
        if isinstance(value, dict):
            for key in value:
                key.encode("utf-8")
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)
