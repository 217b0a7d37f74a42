"""A TCP proxy on loopback that stands for a network: limits the rate, queues what is too much, can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque


class SlowNetwork:
    """Forwards connections to a port of this machine.

    Args:
        target_port: Where to.
        bytes_per_s: Towards the client; None does not limit. May be changed while it runs.
        queue_bytes: What the network holds before the sender has to wait, as a router's buffer does.
    """

    def __init__(
        self, target_port: int, bytes_per_s: float | None = None, queue_bytes: int = 8 << 20
    ) -> None:
        self.bytes_per_s = bytes_per_s
        self._target_port = target_port
        self._queue_bytes = queue_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> SlowNetwork:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends all connections."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                try:
                    server = socket.create_connection(("127.0.0.1", self._target_port))
                except OSError:  # nothing listens there now
                    client.close()
                    continue
                self._open += [client, server]
                threading.Thread(target=self._copy, args=(client, server), daemon=True).start()
                threading.Thread(target=self._queue, args=(server, client), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _queue(self, source: socket.socket, target: socket.socket) -> None:
        waiting: deque[bytes] = deque()
        changed = threading.Condition()
        ended = False

        def send() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with changed:
                        changed.wait_for(lambda: waiting or ended)
                        if not waiting:
                            break
                        data = waiting.popleft()
                        changed.notify()
                    target.sendall(data)
                    if self.bytes_per_s is not None:
                        time.sleep(len(data) / self.bytes_per_s)  # the network's rate
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
                source.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=send, daemon=True).start()
        with contextlib.suppress(OSError):
            while data := source.recv(1400):
                with changed:
                    changed.wait_for(lambda: sum(map(len, waiting)) < self._queue_bytes)
                    waiting.append(data)
                    changed.notify()
        with changed:
            ended = True
            changed.notify()
