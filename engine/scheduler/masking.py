"""Secrets in the environment stay out of what is kept: their values are masked in logs, errors and shown locals.

Which values: those of variables whose names look like it (`API_KEY`, `DB_PASSWORD`), and passwords within addresses
(`postgres://me:secret@host`). What is shorter than six characters, or a number, is not told apart from ordinary text.
"""

import contextlib
import mmap
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from .assignment import Failure

MASK = "•••"
_SHORTEST = 6
_SECRET = {
    *("token", "tokens", "password", "passwd", "pwd", "passphrase", "secret", "secrets", "key", "keys", "apikey"),
    *("credential", "credentials"),
}  # fmt: skip
_NOT_SECRET = {"PWD", "OLDPWD"}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_OURS = b'{"k":'
_IN_ADDRESS = re.compile(r"://[^/\s:@]*:([^@\s/]+)@")

Mask = Callable[[str], str]


@lru_cache(4096)
def is_secret(name: str) -> bool:
    """Whether a name looks as if it held a token, password, secret or key."""
    return any(word.lower() in _SECRET for word in _WORDS.findall(name))


def secrets_of(env: Mapping[str, str | None]) -> tuple[str, ...]:
    """The values that are masked, the longest first."""
    found: set[str] = set()
    for name, value in env.items():
        if not value:
            continue
        if is_secret(name) and name not in _NOT_SECRET:
            found.add(value)
        if "://" in value:
            found.update(_IN_ADDRESS.findall(value))
    return tuple(sorted((one for one in found if _tells(one)), key=len, reverse=True))


def _tells(value: str) -> bool:
    if len(value) < _SHORTEST:
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def mask_of(secrets: tuple[str, ...]) -> Mask:
    """A function that masks these in a text."""
    if not secrets:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, secrets)))
    return lambda text: pattern.sub(MASK, text)


def masked(failure: Failure, mask: Mask) -> Failure:
    """A failure without them: message, lines, locals and arguments may all hold one."""
    frames = tuple(
        replace(one, source=mask(one.source), locals={name: mask(text) for name, text in one.locals.items()})
        for one in failure.frames
    )
    return replace(
        failure,
        title=mask(failure.title),
        message=mask(failure.message),
        frames=frames,
        arguments={name: mask(text) for name, text in failure.arguments.items()},
        traceback=mask(failure.traceback),
    )


def scrub(path: str, secrets: tuple[str, ...]) -> None:
    """Overwrite them in a live file with as many `*`, where C code and child processes wrote them; our lines are
    masked before they are written."""
    if not secrets:
        return
    with (
        contextlib.suppress(OSError, ValueError),  # an empty file cannot be mapped
        Path(path).open("r+b") as file,
        mmap.mmap(file.fileno(), 0) as data,
    ):
        _overwrite(data, secrets)


def scrubbed(lines: bytes, secrets: tuple[str, ...]) -> bytes:
    """Whole lines of a live file as `scrub` would leave them."""
    data = bytearray(lines)
    _overwrite(data, secrets)
    return bytes(data)


def _overwrite(data: mmap.mmap | bytearray, secrets: tuple[str, ...]) -> None:
    for sought in map(os.fsencode, secrets):
        at = data.find(sought)
        while at >= 0:
            line = data.rfind(b"\n", 0, at) + 1
            if data[line : line + len(_OURS)] != _OURS:
                data[at : at + len(sought)] = b"*" * len(sought)
            at = data.find(sought, at + len(sought))
