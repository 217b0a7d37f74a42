"""HTTP cameras for tests: MJPEG with stamped pictures, and servers that misbehave as real ones do."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
from pixel_clock import stamp

FPS = 20
Behaviour = Callable[["_Handler"], None]


def jpeg(number: int, size_hw: tuple[int, int] = (96, 400)) -> bytes:
    """A stamped picture."""
    image = np.full((*size_hw, 3), 90, np.uint8)
    stamp(image, number)
    encoded: bytes = cv2.imencode(".jpg", image)[1].tobytes()
    return encoded


class HttpCamera:
    """A server on loopback whose behaviour may be changed, that can be killed and come back on its port."""

    def __init__(self, behave: Behaviour, port: int = 0) -> None:
        self.behave = behave
        self.requests: list[str] = []
        self.alive = True
        camera = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                self.camera = camera
                camera.requests.append(self.path)
                with contextlib.suppress(OSError):  # the client left
                    camera.behave(self)

        self._server = _Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str = "/stream", user: str = "") -> str:
        return f"http://{user}{'@' if user else ''}127.0.0.1:{self.port}{path}"

    def kill(self) -> None:
        """Ends the server and its connections."""
        self.alive = False
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()

    def __enter__(self) -> HttpCamera:
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive:
            self.kill()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *args: object) -> None:
        self._open: list[object] = []
        super().__init__(*args)  # type: ignore[arg-type]  # address and handler

    def process_request(self, request, client_address) -> None:  # type: ignore[no-untyped-def]  # as its base
        self._open.append(request)
        super().process_request(request, client_address)

    def cut(self) -> None:
        for request in self._open:
            with contextlib.suppress(OSError):
                request.shutdown(2)  # type: ignore[attr-defined]  # a socket


class _Handler(BaseHTTPRequestHandler):
    camera: HttpCamera

    def log_message(self, *_: object) -> None:
        pass

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def multipart(handler: _Handler) -> None:
    handler.head(Content_Type="multipart/x-mixed-replace; boundary=frame")


def part(handler: _Handler, data: bytes, headers: str = "") -> None:
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
    handler.wfile.write(head.encode() + data + b"\r\n")
    handler.wfile.flush()


def serve(count: int | None = None, size_hw: tuple[int, int] = (96, 400), stamps: bool = False) -> Behaviour:
    """Sends pictures at :data:`FPS`, for ever or so many."""

    def behave(handler: _Handler) -> None:
        multipart(handler)
        number = 0
        while handler.camera.alive and number != count:
            data = jpeg(number, size_hw)
            part(handler, data, f"X-Timestamp: {time.time() + 1e6:.6f}\r\n" if stamps else "")
            number += 1
            time.sleep(1 / FPS)  # the camera's frame rate

    return behave


def stall(after: int) -> Behaviour:
    """Sends so many pictures, then nothing, and keeps the connection."""

    def behave(handler: _Handler) -> None:
        serve(after)(handler)
        while handler.camera.alive:
            time.sleep(0.05)  # until the test ends

    return behave
