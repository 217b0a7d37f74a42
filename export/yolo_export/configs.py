"""The networks that the package ships as YAML files, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yolo_export.errors import ConfigError
from yolo_export.yaml_file import read_yaml

__all__ = ["config_names", "load_config"]

_FOLDER = Path(__file__).with_name("cfg")
_INDEX = "index.yaml"


def config_names() -> list[str]:
    """Sorted names of the shipped networks, such as ``yolov5s`` and ``v5lite-e``."""
    return sorted(_entries())


def load_config(name: str) -> tuple[str, dict[str, Any]]:
    """Find a network by the name of a shipped one, or by the path of a user's YAML file.

    A path ends in ``.yaml`` or ``.yml``, or has a folder in it.

    Args:
        name: Such as ``yolov5s``, or ``mine/small.yaml``.

    Returns:
        The name to call it by, and what its file says, with the multiples of its size.

    Raises:
        ValueError: There is no such name.
        ConfigError: The file cannot be read.

    Example:
        >>> load_config("yolov5n")[1]["width_multiple"]
        0.25
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        return path.stem, read_yaml(path)
    entries = _entries()
    if name not in entries:
        raise ValueError(
            f"there is no network {name!r}; give the path of a YAML file, or one of: "
            f"{', '.join(sorted(entries))}"
        )
    architecture, multiples = entries[name]
    description = read_yaml(_FOLDER / f"{architecture}.yaml")
    return name, {**description, **multiples}


def _entries() -> dict[str, tuple[str, Mapping[str, float]]]:
    """Architecture and multiples by name."""
    index = read_yaml(_FOLDER / _INDEX)
    entries: dict[str, tuple[str, Mapping[str, float]]] = {}
    for pattern, entry in index["names"].items():
        if "sizes" not in entry:
            entries[pattern] = (entry["architecture"], {})
        for size in entry.get("sizes", ""):
            depth, width = index["sizes"][size]
            multiples = {"depth_multiple": depth, "width_multiple": width}
            entries[pattern.replace("*", size)] = (entry["architecture"], multiples)
    if not entries:
        raise ConfigError(f"{_FOLDER / _INDEX}: lists no networks; install yolo-edge again")
    return entries
