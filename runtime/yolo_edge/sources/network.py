"""What sources on the network share: connecting, and one line for everything that can go wrong."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from yolo_edge.capture_options import CaptureOptions
from yolo_edge.errors import SourceError
from yolo_edge.sources.credentials import redact
from yolo_edge.sources.reconnect import StreamLost


def check_url(url: str) -> None:
    """Looks at an URL without connecting.

    Raises:
        SourceError: It has no host, or its port is no number.
    """
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok = False
    if not port_ok or not parts.hostname:
        raise SourceError(
            f"{redact(url)}: not an URL with a host; it looks like rtsp://NAME:PASSWORD@HOST:PORT/PATH "
            "(write @ / ? # in a password as %40 %2F %3F %23)"
        )


def connect(host: str, port: int, options: CaptureOptions, *, tls: bool) -> socket.socket:
    """Opens a connection; reading from it has the same time-out.

    Raises:
        StreamLost: It cannot be opened.
    """
    silence = f"no answer for {options.timeout_s:g} s"
    try:
        opened = socket.create_connection((host, port), options.timeout_s)
    except socket.gaierror as error:
        raise StreamLost(f"unknown host {host} ({error.strerror})") from None
    except OSError as error:
        raise network_error(error, silence) from None
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return opened
    try:
        return tls_context(options).wrap_socket(opened, server_hostname=host)
    except OSError as error:
        opened.close()
        raise network_error(error, silence) from None


def tls_context(options: CaptureOptions) -> ssl.SSLContext:
    """How certificates are checked."""
    context = ssl.create_default_context()
    if not options.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def refused(status: int) -> StreamLost:
    """What an HTTP or RTSP status means for the user."""
    if status == 401:
        return StreamLost("the server wants another user name or password (401)", needs_user=True)
    if status == 403:
        return StreamLost("the server forbids it to this user (403)", needs_user=True)
    if status == 404:
        return StreamLost("the server has no such stream (404)", needs_user=True)
    return StreamLost(f"the server refuses with status {status}", needs_user=400 <= status < 500)


def network_error(error: OSError, silence: str) -> StreamLost:
    """One line for what a socket failed with.

    Args:
        error: Of the socket.
        silence: What to say of a time-out.
    """
    if isinstance(error, (TimeoutError, socket.timeout)):  # two until Python 3.10
        return StreamLost(silence)
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"the server's certificate is not trusted ({error.verify_message}); --insecure takes it"
        return StreamLost(reason, needs_user=True)
    if isinstance(error, ConnectionRefusedError):
        return StreamLost("connection refused: nothing listens on this port")
    if isinstance(error, ConnectionError):
        return StreamLost("the server ended the stream")
    return StreamLost((error.strerror or str(error)).lower())
