"""Whether a bundle gives the checkpoint's boxes on this machine.

``golden`` holds the checkpoint's results for one image, ``reference`` restates in numpy what the training
framework makes of raw heads, ``agreement`` and ``head_error`` compare, and ``bundle_check`` runs a target and
judges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_edge.checking.bundle_check import CheckResult, check_bundle
    from yolo_edge.checking.golden import Golden, load_golden

__all__ = ["CheckResult", "Golden", "check_bundle", "load_golden"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CheckResult": "bundle_check",
        "Golden": "golden",
        "check_bundle": "bundle_check",
        "load_golden": "golden",
    },
)
