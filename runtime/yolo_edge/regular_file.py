"""Whether a path is a file whose end comes."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def require_regular_file(path: Path) -> os.stat_result:
    """Refuses pipes and devices, from which reading may never end; folders are left to whoever opens them.

    Raises:
        OSError: There is nothing of that name, or it is of such a kind.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    return status
