"""A wire to a cluster that can be cut: a TCP proxy that lets bytes through, or a given number of them, or none.

It counts what went through, so that a test can say how much was sent twice.
"""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Wire:
    """`address` stands for `to`. Close it with `close`."""

    def __init__(self, to: str) -> None:
        parts = urlsplit(to)
        self._to = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.up = self.down = 0
        self.cuts = 0
        self._limits: dict[str, int] = {}
        self._dead = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, way: str, size: int) -> None:
        """Break every connection once, when `size` more bytes have gone that way (`up` is to the cluster)."""
        with self._lock:
            self._limits[way] = (self.up if way == "up" else self.down) + size

    def cut(self) -> None:
        """From now on nothing goes through, and nobody is let in."""
        self._dead = True
        self._break()

    def mend(self) -> None:
        self._dead = False

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _break(self) -> None:
        with self._lock:
            found, self._open = self._open, set()
        for one in found:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._to, timeout=10) if not self._dead else None
            except OSError:
                far = None
            if far is None:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._pass_on, args=(near, far, "up"), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(far, near, "down"), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, way: str) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    done = self.up if way == "up" else self.down
                    limit = self._limits.get(way, done + len(data))
                    data = data[: limit - done]
                    cut = done + len(data) >= self._limits.get(way, done + len(data) + 1)
                    if cut:
                        del self._limits[way]
                        self.cuts += 1
                    if way == "up":
                        self.up += len(data)
                    else:
                        self.down += len(data)
                target.sendall(data)
                if cut:
                    self._break()
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            with self._lock:
                self._open.discard(one)
