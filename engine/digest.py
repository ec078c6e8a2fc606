"""The one way from values to a digest; every digest of the system that is not a hash of file bytes goes through it.

Fields are tagged with their type and prefixed with their length, so that `("a", "bc")` and `("ab", "c")`, `1`, `1.0`
and `True` all differ, and no value can imitate the border between two others.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# What a mapping or a sequence holds is looked at item by item.

import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import islice, product
from typing import TypeAlias

from .ids import Digest

SIZE = 16

Field: TypeAlias = "bool | int | float | str | bytes | Sequence[Field] | Mapping[str, Field] | None"


def digest(schema: str, *fields: Field) -> Digest:
    """Digest of `fields` under `schema`, which names what is hashed and the version of its layout.

    Mappings are hashed in key order, so two dicts with the same items are equal. Raises TypeError for a value that is
    none of None, bool, int, float, str, bytes, list, tuple, mapping.
    """
    out: list[bytes] = []
    _encode(schema, out)
    for field in fields:
        _encode(field, out)
    return Digest(blake2b(b"".join(out), digest_size=SIZE).hexdigest())


def digests_of_product(
    schema: str, first: Field, names: Sequence[str], lists: Sequence[Sequence[str]], count: int
) -> list[Digest]:
    """`digest(schema, first, {name: one of its list, …})` for the first `count` combinations of `lists`, the last of
    which varies fastest. What all have in common is hashed once, and each member of a list is encoded once."""
    out: list[bytes] = []
    _encode(schema, out)
    _encode(first, out)
    out.append(b"m%d:" % len(names))
    begun = blake2b(b"".join(out), digest_size=SIZE)
    encoded = [[_pair(name, one) for one in members] for name, members in zip(names, lists, strict=True)]
    in_order = sorted(range(len(names)), key=names.__getitem__)
    found: list[Digest] = []
    for combination in islice(product(*encoded), count):
        hasher = begun.copy()
        hasher.update(b"".join([combination[at] for at in in_order]))
        found.append(Digest(hasher.hexdigest()))
    return found


def _pair(name: str, value: str) -> bytes:
    out: list[bytes] = []
    _text(name, out)
    _text(value, out)
    return b"".join(out)


def digest_bytes(data: bytes) -> Digest:
    """Digest of raw bytes, for small things such as source files; large files go through `files.hash_file`."""
    return Digest(blake2b(data, digest_size=SIZE).hexdigest())


def _encode(value: object, out: list[bytes]) -> None:
    if isinstance(value, str):
        _text(value, out)
    elif isinstance(value, dict):
        _mapping(value, out)
    elif isinstance(value, list | tuple):
        _sequence(value, out)
    else:
        _encode_other(value, out)


def _encode_other(value: object, out: list[bytes]) -> None:
    """What is rarer: asking these questions of every value would double a plan's time."""
    match value:
        case None:
            out.append(b"n")
        case bool():
            out.append(b"t" if value else b"f")
        case int():
            out.append(b"i%d;" % value)
        case float():
            out.append(b"d" + struct.pack("<d", value))
        case bytes():
            out.append(b"b%d:" % len(value))
            out.append(value)
        case Mapping():
            _mapping(value, out)
        case _:
            raise TypeError(f"cannot digest a {type(value).__name__}")


def _text(value: str, out: list[bytes]) -> None:
    data = value.encode("utf-8", "surrogatepass")
    out.append(b"s%d:" % len(data))
    out.append(data)


def _sequence(value: Sequence[object], out: list[bytes]) -> None:
    out.append(b"l%d:" % len(value))
    for item in value:
        _encode(item, out)


def _mapping(value: Mapping[str, object], out: list[bytes]) -> None:
    out.append(b"m%d:" % len(value))
    for key in sorted(value):
        _encode(key, out)
        _encode(value[key], out)
