"""A bundle folder is built beside its place and moved into it whole, or not at all."""

from __future__ import annotations

from typing import ClassVar

from yolo_edge import staging
from yolo_export.errors import ExportError

__all__ = ["Staging"]


class Staging(staging.Staging):
    """The runtime's, with this wing's error."""

    failure: ClassVar[type[RuntimeError]] = ExportError
