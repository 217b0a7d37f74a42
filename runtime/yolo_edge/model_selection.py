"""Which model a command runs when the user did not say."""

from __future__ import annotations

import os
from pathlib import Path

from yolo_edge.errors import BundleError

MODEL_VARIABLE = "YOLO_EDGE_MODEL"
_SHIPPED = Path(__file__).parent / "models" / "markers.edge"

DEFAULT_MODEL_NOTE = (
    "model: the one that comes with yolo-edge, for QR codes, ArUco and AprilTag markers and bar codes (your "
    f"own: --model NAME.edge, {MODEL_VARIABLE}, or one *.edge in this folder; yolo-export best.pt makes one)"
)
"""What a command says when nobody chose a model."""


def default_model() -> Path | None:
    """The bundle that ships in the package; None where it was left out."""
    return _SHIPPED if _SHIPPED.is_dir() else None


def find_model(given: str | None, folder: Path | None = None) -> Path:
    """Finds the bundle to run.

    It is the one given, else $YOLO_EDGE_MODEL, else the only ``*.edge`` of a folder, else the package's own.

    Args:
        given: What the user named, or None.
        folder: Where to look; the working folder if None.

    Raises:
        BundleError: There are several, or the package has none either.
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
    if (shipped := default_model()) is not None:
        return shipped
    raise BundleError(
        f"no model: give --model NAME.edge, set {MODEL_VARIABLE}, or work in a folder that holds one bundle "
        "(yolo-export --to ncnn best.pt makes one)"
    )
