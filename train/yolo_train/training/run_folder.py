"""The folder of a training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yolo_edge.file_replacement import replace_text
from yolo_edge.packages import require
from yolo_train.errors import TrainingError

__all__ = [
    "BEST",
    "HYPERPARAMETERS",
    "LAST",
    "OPTIONS",
    "RESULTS",
    "create_run_folder",
    "find_last",
    "write_yaml",
]

BEST = "best.pt"
LAST = "last.pt"
OPTIONS = "options.yaml"
HYPERPARAMETERS = "hyperparameters.yaml"
RESULTS = "results.csv"


def create_run_folder(project: Path, name: str, out: Path | None) -> Path:
    """Makes a new folder: ``out``, else the first of ``project/name``, ``name2``, ``name3`` that is free.

    Raises:
        TrainingError: ``out`` holds something, or the folder cannot be made.
    """
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            taken = next(out.iterdir(), None)
        except OSError as error:
            raise TrainingError(f"{out}: cannot be made: {error.strerror}") from error
        if taken is not None:
            raise TrainingError(f"{out}: is not empty; give --out a new folder, or go on with --resume {out}")
        return out
    try:
        project.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = project / (name if number == 1 else f"{name}{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise TrainingError(f"{project}: no folder can be made in it: {error.strerror}") from error
    raise AssertionError("counting never ends")


def find_last(path: Path) -> Path:
    """The ``last.pt`` of a run: of its folder, or the file itself."""
    return path / LAST if path.is_dir() else path


def write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    """Writes plain values for people to read and for a later training."""
    yaml = require("yaml", "training", "pip install 'yolo-edge[train]'")
    replace_text(path, yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True))
