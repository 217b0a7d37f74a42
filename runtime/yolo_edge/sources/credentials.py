"""Keeps the credentials in URLs out of everything that is printed or written."""

from __future__ import annotations

import re

_URL = re.compile(r"([A-Za-z][\w+.-]*://)([^\s'\"]+)")
_SECRET_VALUE = re.compile(
    r"([?&;/_](?:[\w-]*(?:token|passw|passwd|pwd|secret|signature|api_?key|credential)[\w-]*|auth\w*|sig|key"
    r"|\w*pass?|usr|user|\w*user|\w*username|login\w*)=)[^&;#\s'\"]+",
    re.IGNORECASE,
)
"""``?token=…`` and its kin; some cameras have ``/user=NAME&password=…`` in the path, or ``_`` in between."""


def redact(text: str) -> str:
    """Replaces the credentials of every URL in a text by ``***``: names, passwords, tokens.

    A password may hold ``@``, ``/`` and ``?`` as they are, though a URL should not: rather too much is hidden
    than too little.
    """
    return _URL.sub(lambda match: match[1] + _without_credentials(match[2]), text)


def _without_credentials(rest: str) -> str:
    """Of what follows ``scheme://``."""
    before_query = re.split(r"[?#]", rest, maxsplit=1)[0]
    end = before_query.rfind("@")
    if end < 0:
        authority = before_query.split("/", 1)[0]
        if re.search(r":(?!\d*$)", authority) and not authority.startswith("["):
            end = rest.rfind("@")  # "name:pass?word@host": a colon before something that is no port
    shown = "***" + rest[end:] if end >= 0 else rest
    return _SECRET_VALUE.sub(r"\1***", shown)
