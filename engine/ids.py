"""The names of things, as types, so that a step's key is never passed where its output's hash is meant."""

import os
import time
from typing import NewType, TypeAlias

Digest = NewType("Digest", str)
"""32 lower-case hex characters: 128 bits of blake2b or blake3, always made by `digest.py`."""
StepName = NewType("StepName", str)
RunId = NewType("RunId", str)
"""26 characters, sortable by time, unique everywhere; people use the run's number."""
StepRunId = NewType("StepRunId", str)
LaunchId = NewType("LaunchId", str)
"""One task given to an executor: one step, one attempt, one or many items."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What `json` reads and writes; the only shape in which values cross a process or a file."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """A ULID (26 characters, Crockford base 32, lower case): 48 bits of milliseconds, 80 random bits.

    Source: https://github.com/ulid/spec
    """
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
