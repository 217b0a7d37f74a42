"""Basic and Digest authentication (RFC 7617, RFC 2617 and 7616), as HTTP and RTSP share them."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit
from urllib.request import parse_http_list, parse_keqv_list

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def credentials(url: str) -> tuple[str, str] | None:
    """Name and password in an URL, without percent signs."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def authorization(
    method: str, uri: str, challenges: Sequence[str], user: tuple[str, str], count: int = 1
) -> str | None:
    """The header that answers a server's challenges; None when it knows none of them.

    Args:
        method: Of the request, as ``GET``.
        uri: Of the request line.
        challenges: The server's ``WWW-Authenticate`` headers.
        user: Name and password.
        count: How many requests were made with this challenge, this one included.
    """
    for challenge in challenges:
        scheme, _, fields = challenge.strip().partition(" ")
        if scheme.lower() == "digest" and (answer := _digest(method, uri, fields, user, count)):
            return answer
    if any(challenge.strip().lower().startswith("basic") for challenge in challenges):
        return "Basic " + b64encode(":".join(user).encode()).decode()
    return None


def _digest(method: str, uri: str, fields: str, user: tuple[str, str], count: int) -> str | None:
    asked = parse_keqv_list(parse_http_list(fields))
    name, realm, nonce = user[0], asked.get("realm", ""), asked.get("nonce", "")
    algorithm = asked.get("algorithm", "MD5")
    hasher = _HASHES.get(algorithm.upper())
    qop = asked.get("qop")
    if hasher is None or (qop is not None and "auth" not in [part.strip() for part in qop.split(",")]):
        return None

    def hashed(*parts: str) -> str:
        return hasher(":".join(parts).encode()).hexdigest()

    secret, request = hashed(name, realm, user[1]), hashed(method, uri)
    found = {"username": name, "realm": realm, "nonce": nonce, "uri": uri}
    bare = ""
    if qop is None:
        found["response"] = hashed(secret, nonce, request)
    else:
        number, own = f"{count:08x}", os.urandom(8).hex()
        found["response"] = hashed(secret, nonce, number, own, "auth", request)
        found["cnonce"] = own
        bare = f", qop=auth, nc={number}"
    if "opaque" in asked:
        found["opaque"] = asked["opaque"]
    if "algorithm" in asked:
        bare += f", algorithm={algorithm}"
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in found.items()) + bare
