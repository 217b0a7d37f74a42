"""A corpus of hostile checkpoints: what each file attempts, and what the reader must answer.

`CASES` maps a name to a function that writes the file. Files are small; what some of them ask for is not.
"""

from __future__ import annotations

import hostile_archives  # noqa: F401  (each adds its cases)
import hostile_networks  # noqa: F401
import hostile_pickles  # noqa: F401
import hostile_trained  # noqa: F401
from hostile_case import CANARY, CASES, HARMLESS, Case, mutable_checkpoint

__all__ = ["CANARY", "CASES", "HARMLESS", "Case", "mutable_checkpoint"]
