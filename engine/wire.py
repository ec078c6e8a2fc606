"""How commands and the engine talk: JSON objects, one a line, over a Unix socket that only its owner may open.

A request is one object with an `op`; the answer is any number of objects, the last of which has `"t": "end"` or
`"t": "error"`. This module is imported by every command, so it imports little.
"""

import json
import os
import socket
import struct
from collections.abc import Iterator

VERSION = "3.4"
"""Of this protocol, and after the point `schema.SCHEMA` (importing it would cost every command some milliseconds): an
engine that speaks or writes another one is asked to end and replaced."""
LONGEST_PATH = 100
"""Bytes of a socket's path that Linux (107) and macOS (103) both take."""


def socket_path(root: str) -> str:
    """Where the engine of the project at `root` listens: in its store, or in a private folder if that path is long."""
    path = os.path.join(root, ".instep", "engine.sock")
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return path
    from hashlib import blake2b

    name = blake2b(os.fsencode(root), digest_size=8).hexdigest()
    return f"/tmp/instep-{os.getuid()}/{name}.sock"


class NotOurs(ConnectionError):
    """Who listens is another user of the machine: what a request says (the environment) is not for them."""

    def __init__(self, user: int) -> None:
        super().__init__(f"the engine of this project is run by user {user}")


def connect(root: str) -> socket.socket | None:
    """A connection to the engine of the project at `root`, or None if none listens. Raises NotOurs."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = socket_path(root)
    try:
        channel.connect(path)
        user = _other_side(channel, path)
    except OSError:
        channel.close()
        return None
    if user != os.getuid():
        channel.close()
        raise NotOurs(user)
    return channel


def _other_side(channel: socket.socket, path: str) -> int:
    """The user who listens: what the kernel says, else who owns the socket."""
    if hasattr(socket, "SO_PEERCRED"):
        _, user, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return user
    return os.stat(path).st_uid


def send(channel: socket.socket, message: dict[str, object]) -> None:
    """Raises OSError if the other side is gone."""
    channel.sendall(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n")


def receive(channel: socket.socket) -> Iterator[dict[str, object]]:
    """Every object the other side sends, until it closes."""
    rest = b""
    while data := channel.recv(1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield json.loads(line)
