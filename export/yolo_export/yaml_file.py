"""Reads YAML files as plain data: a file can neither run anything nor grow beyond its own size."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from yolo_edge.packages import require
from yolo_export.errors import ConfigError

__all__ = ["read_yaml"]

#: Networks take some 5 kB, a thousand class names 20 kB. PyYAML reads about 100 kB a second.
_MAX_BYTES = 1 << 18
#: Longest single value. Python takes quadratic time for integers in base 60 and refuses to show long ones.
_MAX_VALUE = 1000


def read_yaml(path: Path, *, expected: str = "a mapping with 'backbone'") -> dict[str, Any]:
    """Read a YAML file that describes a network, or another mapping of plain values.

    Aliases (``*name``), which can make gigabytes of a few lines, and tags (``!!name``) are refused.

    Raises:
        ConfigError: It cannot be read, or is not a mapping.
    """
    yaml = require("yaml", "networks from YAML files", "pip install 'yolo-edge[export]'")
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be opened: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {_MAX_BYTES} bytes; a network needs a few thousand")
    try:
        content = yaml.load(data, Loader=_plain_loader(yaml))
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())[:200]}") from error
    if type(content) is not dict:
        raise ConfigError(f"{path}: holds a {type(content).__name__}; expected {expected}")
    return content


@lru_cache(maxsize=1)
def _plain_loader(yaml: Any) -> Any:
    """PyYAML's safe loader without aliases, tags and long values."""

    class PlainLoader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types.
        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            fault = ""
            if isinstance(event, yaml.AliasEvent):
                fault = f"has the alias *{event.anchor[:40]}; write the value out"
            elif event.tag is not None:
                fault = f"has the tag {event.tag[:40]}; only plain values are read"
            elif isinstance(event, yaml.ScalarEvent) and len(event.value) > _MAX_VALUE:
                fault = f"has a value of {len(event.value)} characters; at most {_MAX_VALUE} are read"
            if fault:
                raise yaml.composer.ComposerError(None, None, fault, event.start_mark)
            return super().compose_node(parent, index)

    return PlainLoader
