"""Imports of the packages that the extra ``export`` brings."""

from __future__ import annotations

import importlib
from typing import Any

from yolo_export.errors import MissingExtraError

__all__ = ["import_extra"]


def import_extra(package: str, purpose: str) -> Any:
    """Import a package that may be missing.

    Args:
        package: Its import name.
        purpose: Who needs it, for the message.

    Raises:
        MissingExtraError: It is not installed; names the command that installs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(package, purpose) from error
