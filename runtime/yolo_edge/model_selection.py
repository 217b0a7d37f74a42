"""Which model a command runs when the user did not say."""

from __future__ import annotations

import os
from pathlib import Path

from yolo_edge.errors import BundleError

MODEL_VARIABLE = "YOLO_EDGE_MODEL"


def find_model(given: str | None, folder: Path | None = None) -> Path:
    """Finds the bundle to run: the one given, else $YOLO_EDGE_MODEL, else the only ``*.edge`` of a folder.

    Args:
        given: What the user named, or None.
        folder: Where to look; the working folder if None.

    Raises:
        BundleError: There is none, or there are several.
    """
    if given:
        return Path(given)
    if named := os.environ.get(MODEL_VARIABLE):
        return Path(named)
    where = folder if folder is not None else Path()
    found = sorted(path for path in where.glob("*.edge") if path.is_dir())
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise BundleError(f"there are several bundles here: {names}; choose one with --model")
    raise BundleError(
        f"no model: give --model NAME.edge, set {MODEL_VARIABLE}, or work in a folder that holds one bundle "
        "(yolo-export --to ncnn best.pt makes one)"
    )
