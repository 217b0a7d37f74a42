"""Numbers as files hold them."""

from __future__ import annotations

import sys
from typing import Any

_LARGEST = sys.float_info.max


def is_finite_number(value: Any) -> bool:
    """Whether it is a whole or floating-point number that a float can hold, and no truth value.

    ``math.isfinite`` fails for whole numbers beyond that, which JSON and YAML files may hold.
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST
