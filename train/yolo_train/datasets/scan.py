"""Reads a dataset YAML with all its images' sizes and labels, and collects what is wrong with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolo_edge.datasets.dataset_yaml import DatasetYaml, open_yaml
from yolo_edge.datasets.image_size import read_image_size
from yolo_edge.datasets.labels import Findings, LabelledImage, make_objects
from yolo_edge.datasets.yolo_format import FaultKind, label_path, missing_folders, read_label_file
from yolo_edge.errors import DatasetError, SourceError
from yolo_edge.options import MOST_THREADS, check_count
from yolo_edge.sources.images import read_image
from yolo_train.datasets.problems import Problems

REQUIRED_SPLITS = ("train", "val")
"""What training needs."""

_SHOWN = 3
"""Faults of one kind in an error; ``yolo-train check`` shows more."""

_ROW_KINDS: dict[FaultKind, str] = {
    "unreadable": "unreadable-labels",
    "malformed": "malformed-row",
    "class": "unknown-class",
    "range": "coordinate-range",
}

ScanProgress = Callable[[int, int], None]
"""Called with the number of images done and of all."""


@dataclass(frozen=True)
class ScannedSplit:
    """One split, without the images that cannot be read."""

    name: str
    images: tuple[LabelledImage, ...]
    """Every ``size_hw`` is filled."""
    empty_files: int
    """Images whose label file says that they show no objects."""
    missing_files: int
    """Images without a label file."""
    polygons: int
    """Rows that hold a polygon; its box is taken."""


@dataclass(frozen=True)
class Scan:
    """A dataset and its problems."""

    path: Path
    root: Path
    """The folder that its splits are in."""
    names: tuple[str, ...]
    """Class names, each once; class ids count from 0."""
    splits: tuple[ScannedSplit, ...]
    problems: Problems
    decoded: bool
    """Whether every image was decoded, not its header read only."""

    def raise_faults(self) -> None:
        """Raises the faults, by kind, as one error.

        Raises:
            DatasetError: There are any.
        """
        faults = []
        for kind, problems in self.problems.of(fault=True):
            shown = [str(problem) for problem in problems[:_SHOWN]]
            more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
            text = f"{kind.title} ({len(problems)}): {'; '.join(shown + more)}"
            faults.append(f"{text}. What to do: {kind.advice}")
        if faults:
            count = self.problems.fault_count
            told = f"{count} fault{'' if count == 1 else 's'}; `yolo-train check {self.path}` lists all"
            raise DatasetError("\n".join([f"{self.path}: {told}", *faults]))


def scan_dataset(
    path: Path | str,
    *,
    required: Sequence[str] = REQUIRED_SPLITS,
    full: bool = False,
    threads: int | None = None,
    progress: ScanProgress | None = None,
) -> Scan:
    """Reads all splits that a dataset YAML names.

    Args:
        path: The dataset YAML.
        required: Splits that must be there and show objects.
        full: Decode every image, and compare the contents of the splits' files; some 5 ms for each image.
        threads: Threads that read images; None means one a CPU.
        progress: Told after each image.

    Raises:
        ValueError: ``threads`` is not positive.
        DatasetError: Not a dataset YAML.
        MissingExtraError: PyYAML is not installed.
    """
    if threads is not None:
        check_count("threads", threads, MOST_THREADS)
    path = Path(path)
    problems, findings = Problems(), Findings()
    if path.is_dir():
        raise DatasetError(f"{path}: is a folder; name the dataset YAML in it")
    described = open_yaml(path, findings, split="train")
    # Without names every row would be one of an unknown class.
    named = bool(described.names) and all(isinstance(class_id, int) for class_id in described.names)
    images: dict[str, list[Path]] = {}
    for split in dict.fromkeys((*required, *described.splits)):
        try:
            images[split] = described.images(split, findings)
        except DatasetError as error:
            findings.faults.append(str(error))
    for fault in findings.faults:
        problems.add("dataset-file", path, fault)
    if not named:
        return Scan(path, described.root, (), (), problems, full)
    names, class_ids = _merge_names(described, problems)
    reader = _Reader(described.names, class_ids, problems, full=full, threads=threads, progress=progress)
    splits = reader.read({split: files for split, files in images.items() if files})
    readable = not problems.fault_count
    for scanned in splits:
        _find_unused(scanned, names, problems)
        bare = not any(len(image.objects) for image in scanned.images)
        if bare and scanned.name in required and readable:
            first = scanned.images[0].path
            text = f"the labels of {first} are looked for in {label_path(first)}"
            problems.add("no-objects", scanned.name, text)
    return Scan(path, described.root, names, splits, problems, full)


def _merge_names(described: DatasetYaml, problems: Problems) -> tuple[tuple[str, ...], dict[int, int]]:
    """The names, each once, and the new class id of each of the YAML's."""
    names = list(dict.fromkeys(described.names[key] for key in sorted(described.names)))
    class_ids = {key: names.index(name) for key, name in described.names.items()}
    for name in names:
        keys = [key for key, other in sorted(described.names.items()) if other == name]
        if len(keys) > 1:
            text = f"stands for classes {', '.join(map(str, keys))}; they are merged"
            problems.add("names", f"{described.path}: {name}", text)
    moved = [f"{old} becomes {new}" for old, new in sorted(class_ids.items()) if old != new]
    if moved:
        problems.add("names", described.path, f"class ids are numbered anew: {', '.join(moved)}")
    return tuple(names), class_ids


@dataclass(frozen=True)
class _Examined:
    """What an image file says of itself."""

    size_hw: tuple[int, int] | None
    fault: str = ""
    digest: bytes = b""
    """Of its content; empty where only the header was read."""


class _Reader:
    def __init__(
        self,
        names: dict[int, str],
        class_ids: dict[int, int],
        problems: Problems,
        *,
        full: bool,
        threads: int | None,
        progress: ScanProgress | None,
    ) -> None:
        self._names = names
        self._problems = problems
        self._full = full
        self._threads = threads if threads is not None else os.cpu_count() or 1
        self._progress = progress
        self._class_ids = class_ids

    def read(self, images: dict[str, list[Path]]) -> tuple[ScannedSplit, ...]:
        """Reads all splits."""
        unique = {split: self._each_once(split, files) for split, files in images.items()}
        everything = list(dict.fromkeys(file for files in unique.values() for file in files))
        label_files = {file: label_path(file) for file in everything}
        missing = missing_folders(label_files.values())
        self._problems.add_all("missing-labels-folder", missing)
        self._check_stems(label_files)
        examined = self._examine(everything)
        unlabelled = set(missing)
        splits = tuple(
            self._read_split(split, files, label_files, examined, unlabelled)
            for split, files in unique.items()
        )
        self._find_orphans(label_files)
        if "train" in unique and "val" in unique:
            self._compare(unique["train"], unique["val"], examined)
        return splits

    def _each_once(self, split: str, files: Sequence[Path]) -> list[Path]:
        seen: set[Path] = set()
        for file in files:
            if file in seen:
                self._problems.add("listed-twice", file, f"in {split}")
            seen.add(file)
        return list(dict.fromkeys(files))

    def _check_stems(self, label_files: dict[Path, Path]) -> None:
        first: dict[Path, Path] = {}
        for image, labels in label_files.items():
            other = first.setdefault(labels, image)
            # The same file may be reached on two ways, through a link or a list.
            if other != image and not (other.exists() and image.exists() and other.samefile(image)):
                self._problems.add("shared-labels", image, f"has the labels of {other.name}, {labels}")

    def _examine(self, files: Sequence[Path]) -> dict[Path, _Examined]:
        examine = _decode if self._full else _read_header
        results: dict[Path, _Examined] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                for number, (file, result) in enumerate(zip(files, pool.map(examine, files)), 1):
                    results[file] = result
                    if self._progress is not None:
                        self._progress(number, len(files))
            except BaseException:  # Ctrl-C too: what is not begun is left out
                pool.shutdown(cancel_futures=True)
                raise
        for file, result in results.items():
            if result.size_hw is None:
                kind = "corrupt-image" if os.path.lexists(file) else "missing-image"
                self._problems.add(kind, file, result.fault if kind == "corrupt-image" else "")
        return results

    def _read_split(
        self,
        split: str,
        files: Sequence[Path],
        label_files: dict[Path, Path],
        examined: dict[Path, _Examined],
        missing: set[Path],
    ) -> ScannedSplit:
        labelled: list[LabelledImage] = []
        empty = without = polygons = 0
        findings = Findings()
        for file in files:
            size_hw, path = examined[file].size_hw, label_files[file]
            if size_hw is None or path.parent in missing:
                continue
            rows = read_label_file(path, self._names, "the dataset")
            for fault in rows.faults:
                self._problems.add(_ROW_KINDS[fault.kind], fault.place, fault.text)
            if not rows.exists:
                self._problems.add("no-label-file", file)
                without += 1
            elif not rows.labels and not rows.faults:
                empty += 1
            polygons += rows.polygons
            moved = [label._replace(class_id=self._class_ids[label.class_id]) for label in rows.labels]
            objects = make_objects(moved, findings)
            labelled.append(LabelledImage(file, objects, size_hw))
        self._problems.add_all("duplicate-row", findings.duplicates)
        self._problems.add_all("empty-box", findings.empty)
        self._problems.add_all("clipped-box", findings.clipped)
        return ScannedSplit(split, tuple(labelled), empty, without, polygons)

    def _find_orphans(self, label_files: dict[Path, Path]) -> None:
        """Looks for label files without an image, in folders that hold labels only."""
        known = set(label_files.values())
        for folder in sorted({file.parent for file in known}):
            if "labels" in folder.parts and folder.is_dir():
                self._problems.add_all("orphan-labels", sorted(set(folder.glob("*.txt")) - known))

    def _compare(self, train: Iterable[Path], val: Iterable[Path], examined: dict[Path, _Examined]) -> None:
        """Looks for images of both splits: the same file, or the same content where contents were read."""
        files = {Path(os.path.realpath(file)): file for file in train}
        contents = {examined[file].digest: file for file in files.values() if examined[file].digest}
        for file in val:
            twin = files.get(Path(os.path.realpath(file)))
            if twin is not None:
                self._problems.add("in-train-and-val", file)
            elif (twin := contents.get(examined[file].digest)) is not None:
                self._problems.add("in-train-and-val", file, f"has the content of {twin}")


def _find_unused(split: ScannedSplit, names: Sequence[str], problems: Problems) -> None:
    used = {int(class_id) for image in split.images for class_id in np.unique(image.objects.class_id)}
    for class_id, name in enumerate(names):
        if class_id not in used:
            problems.add("unused-class", f"{class_id} {name}", f"none in {split.name}")


def _read_header(file: Path) -> _Examined:
    try:
        return _Examined(read_image_size(file))
    except SourceError as error:
        return _Examined(None, str(error).removeprefix(f"{file}: "))


def _decode(file: Path) -> _Examined:
    try:
        height, width = read_image(file).shape[:2]
        return _Examined((height, width), digest=hashlib.blake2b(file.read_bytes(), digest_size=16).digest())
    except SourceError as error:
        return _Examined(None, str(error).removeprefix(f"{file}: "))
    except OSError as error:
        return _Examined(None, f"cannot be read: {error.strerror}")
