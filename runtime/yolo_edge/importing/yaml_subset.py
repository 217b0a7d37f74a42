"""Reads the few things that matter in the YAML files beside models, so that a board needs no YAML package.

PyYAML is no dependency of the base install: only the export wing and ``val`` have it.

Understood are top-level ``key: value`` lines, and below a key lists of ``- item`` or maps of ``key: value``,
one level deep, in block or flow (``[a, b]``, ``{0: a}``) form. Everything else is passed over.
"""

from __future__ import annotations

import re
from typing import Union

Content = dict[str, Union[str, list[str], dict[str, str]]]

_LARGEST = 1_000_000
_KEY = re.compile(r"""([A-Za-z_][\w-]*)\s*:(?:\s+(.*))?$""")
_PAIR = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^'":,{}\[\]]+?))\s*:(?:\s+(.*))?$""")


def read_yaml_subset(text: str) -> Content:
    """Top-level keys and their values; keys whose values are not understood are missing."""
    content: Content = {}
    lines = [line.rstrip() for line in text[:_LARGEST].splitlines()]
    lines = [line for line in lines if line and not line.lstrip().startswith("#")]
    at = 0
    while at < len(lines):
        match = _KEY.match(lines[at])
        at += 1
        if not match:
            continue
        key, inline = match.group(1), _without_comment(match.group(2) or "")
        block = []
        while at < len(lines) and (
            lines[at][0] in " -" or (inline[:1] in ("[", "{") and not _closed(inline))
        ):
            if inline[:1] in ("[", "{"):
                inline += " " + _without_comment(lines[at].strip())
            else:
                block.append(lines[at].strip())
            at += 1
        value = _flow(inline) if inline else _block(block)
        if value is not None:
            content[key] = value
    return content


def names_of(content: Content) -> tuple[str, ...] | None:
    """The class names by id, or None when there are none or their ids have gaps."""
    names = content.get("names")
    if isinstance(names, list):
        return tuple(names) or None
    if not isinstance(names, dict) or not names:
        return None
    by_id = {int(key): name for key, name in names.items() if key.isascii() and key.isdigit()}
    if len(by_id) != len(names) or sorted(by_id) != list(range(len(by_id))):
        return None
    return tuple(by_id[i] for i in range(len(by_id)))


def _without_comment(text: str) -> str:
    return re.sub(r"(^|\s)#[^'\"]*$", "", text).strip()


def _closed(text: str) -> bool:
    return text.endswith(("]", "}"))


def _flow(text: str) -> str | list[str] | dict[str, str] | None:
    if text[0] not in "[{":
        return _scalar(text)
    if not _closed(text):
        return None
    items, at, inner = [], 0, text[1:-1].strip()
    while at < len(inner):
        match = re.compile(r"\s*(?:[^,'\"]|\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*')+").match(inner, at)
        if not match:
            return None
        items.append(match.group().strip())
        at = match.end() + 1
    if text[0] == "[":
        return [_scalar(item) for item in items]
    return _pairs(items)


def _block(lines: list[str]) -> list[str] | dict[str, str] | None:
    if lines and all(line.startswith("- ") for line in lines):
        return [_scalar(_without_comment(line[2:])) for line in lines]
    return _pairs([_without_comment(line) for line in lines]) if lines else None


def _pairs(items: list[str]) -> dict[str, str] | None:
    matches = [_PAIR.match(item) for item in items]
    if not all(matches):
        return None
    return {
        next(part for part in match.groups()[:3] if part is not None): _scalar(match.group(4) or "")
        for match in matches
        if match
    }


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text
