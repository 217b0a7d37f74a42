"""Dataset YAML files: where a dataset's splits are, and its class names.

The conventions are those of YOLOv5's ``check_dataset``: ``path`` is the root, ``train``, ``val`` and ``test``
are folders, list files, glob patterns or lists of these, ``names`` is a list or a mapping from ids.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.datasets import SPLITS
from yolo_edge.datasets.given_files import is_file, read_given_text
from yolo_edge.datasets.labels import Findings
from yolo_edge.datasets.yolo_format import images_under
from yolo_edge.errors import DatasetError
from yolo_edge.packages import require
from yolo_edge.sources import IMAGE_SUFFIXES

_MOST_BYTES = 1 << 20
"""PyYAML reads some 100 kB a second; a thousand class names take 20 kB."""

_MOST_VALUES = 1 << 20
"""Of a file with its aliases written out."""


@dataclass(frozen=True)
class DatasetYaml:
    """A dataset YAML as it was read."""

    path: Path
    root: Path
    """The folder that the splits are in."""
    names: dict[int, str]
    """Class names by id; a name may stand twice."""
    content: Mapping[str, Any]
    """All of it."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it names."""
        return tuple(split for split in SPLITS if self.content.get(split))

    def images(self, split: str, findings: Findings) -> list[Path]:
        """The images of a split, in order; one that several entries name stands there as often.

        What list files name need not exist.

        Args:
            split: ``train``, ``val`` or ``test``.
            findings: An entry that names nothing, or a missing split, is added here.

        Raises:
            DatasetError: A list file cannot be read.
        """
        images: list[Path] = []
        for entry in _entries(self.content, split, findings):
            try:
                found = _images_of_entry(entry, self.root)
            except OSError as error:  # a name that is too long, a folder that must not be read
                findings.faults.append(f"{split} names {entry[:60]!r}: {error.strerror}")
                continue
            if found is None:
                findings.faults.append(f"{split} names {entry!r}, which is not in {self.root}")
            elif not found:
                findings.faults.append(f"{split} names {entry!r}, which holds no images")
            else:
                images += found
        return images


def open_yaml(path: Path, findings: Findings, *, split: str = "val") -> DatasetYaml:
    """Reads a dataset YAML.

    Args:
        path: The file.
        findings: Faults of its names and its root are added here.
        split: The split that is looked for, for messages.

    Raises:
        DatasetError: Not a dataset YAML.
        MissingExtraError: PyYAML is not installed.
    """
    yaml = require("yaml", f"{path}: a dataset YAML", "pip install 'yolo-edge[val]'")
    try:
        content = _load_plain(yaml, read_given_text(path, most_bytes=_MOST_BYTES))
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path}: is not plain YAML: {reason}") from None
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: holds a {type(content).__name__}, not a mapping with names and {split}")
    return DatasetYaml(path, _root(content, path, findings), _names(content, findings), content)


def read_yaml(path: Path, split: str) -> tuple[list[Path], dict[int, str]]:
    """The images of a split of a dataset YAML, and the class names by id.

    Raises:
        DatasetError: Not a dataset YAML, or it names what is not there. Every fault is listed.
        MissingExtraError: PyYAML is not installed.
    """
    findings = Findings()
    described = open_yaml(path, findings, split=split)
    images = described.images(split, findings)
    findings.raise_faults(path)
    return list(dict.fromkeys(images)), described.names


def _load_plain(yaml: Any, text: str) -> Any:
    """The content of a file as plain data; whatever an alias stands for is counted where it stands.

    Raises:
        yaml.YAMLError: It is no YAML, has a tag that would make more than plain data, or grows beyond
            measure when its aliases are written out.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _count_values(root, {}) > _MOST_VALUES:
            raise yaml.YAMLError(
                f"its aliases stand for more than {_MOST_VALUES:,} values, or for themselves"
            )
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _count_values(node: Any, counted: dict[Any, float]) -> float:
    """How many values a node of PyYAML stands for; infinitely many where it holds itself."""
    if node not in counted:
        counted[node] = math.inf
        inner = node.value if isinstance(node.value, list) else []
        pairs = [part for each in inner for part in (each if isinstance(each, tuple) else (each,))]
        counted[node] = 1 + sum(_count_values(part, counted) for part in pairs)
    return counted[node]


def _names(content: Mapping[str, Any], findings: Findings) -> dict[int, str]:
    """Class names: a list, or a mapping from ids."""
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        shown = "is missing" if "names" not in content else f"is {str(names)[:60]!r}"
        findings.faults.append(f"names {shown}; it must be a list of class names, or a mapping from ids")
        return {}
    for key, name in names.items():
        if isinstance(key, bool) or not isinstance(key, int) or key < 0:
            findings.faults.append(f"names has the class id {key!r}, which is not a whole number")
        if isinstance(name, (dict, list)) or name is None or not str(name).strip():
            findings.faults.append(f"names has {name!r} for class {key!r}, which is not a name")
    count = content.get("nc", len(names))
    if count != len(names):
        findings.faults.append(f"nc is {count!r}, but names has {len(names)}")
    return {key: str(name).strip() for key, name in names.items()}


def _entries(content: Mapping[str, Any], split: str, findings: Findings) -> list[str]:
    value = content.get(split)
    entries: list[Any] = value if isinstance(value, list) else [value]
    if value is None or not entries:
        held = [name for name in SPLITS if content.get(name)]
        findings.faults.append(f"has no split {split}; it has: {', '.join(held) or 'none'}")
        return []
    if not all(isinstance(entry, str) and entry for entry in entries):
        findings.faults.append(f"{split} is {str(value)[:60]!r}; it must be a path or a list of paths")
        return []
    return entries


def _root(content: Mapping[str, Any], path: Path, findings: Findings) -> Path:
    """The folder that the splits are in: ``path``, relative to the YAML's or the working folder."""
    given = content.get("path")
    if given is None or given == "":
        return path.parent
    if not isinstance(given, str):
        findings.faults.append(f"path is {given!r}, not a folder")
        return path.parent
    candidates = [path.parent / given, Path(given)]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    tried = " and ".join(dict.fromkeys(map(str, candidates)))
    findings.faults.append(f"path {given!r} is no folder (looked for {tried})")
    return candidates[0]


def _images_of_entry(entry: str, root: Path) -> list[Path] | None:
    """The images of a folder, list file, glob pattern or image; None where there is nothing of that name."""
    path = root / entry
    if not path.exists() and entry.startswith("../") and (root / entry[3:]).exists():
        # Exporters of datasets write ../valid/images beside valid/; YOLOv5 reads it so too.
        path = root / entry[3:]
    if path.is_dir():
        return images_under(path)
    if path.is_file():
        return [path] if path.suffix.lower() in IMAGE_SUFFIXES else _read_list(path, root)
    if any(mark in entry for mark in "*?["):
        matches = map(Path, glob.glob(str(path), recursive=True))  # noqa: PTH207 - it may be absolute
        return sorted(p for p in matches if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    return None


def _read_list(path: Path, root: Path) -> list[Path]:
    """A text file with one image a line, relative to that file, or else to the dataset's root."""
    try:
        lines = [line.strip() for line in read_given_text(path).splitlines()]
    except DatasetError as error:
        raise DatasetError(f"{error}; {path.name} is neither an image nor a list of images") from None
    images = []
    for line in filter(None, lines):
        beside, below = path.parent / line, root / line
        images.append(below if is_file(below) and not is_file(beside) else beside)
    return images
