"""`[clusters.NAME]` in a project's configuration: what is wrong with them, before anything connects anywhere.

Secrets do not belong into a file that is committed: a token is named by where it comes from, and a literal one, or one
within an address, is refused.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from .errors import Place, Problem, nearest
from .ids import Json

KEYS: Final = frozenset({"address", "token", "storage", "on_mismatch", "allow_open", "fetch", "price"})
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "on_mismatch": ("refuse", "warn", "build"),
    "fetch": ("all", "small", "none"),
}
_TOKEN_MEND: Final = 'Write `token = { env = "NAME" }` or `token = { file = "~/.ray/name.token" }`.'


def cluster_problems(clusters: Mapping[str, Json], config: str, text: str) -> list[Problem]:
    """Every mistake in these tables; `config` and its `text` give the places."""
    problems: list[Problem] = []
    for name, table in clusters.items():
        if not isinstance(table, dict):
            mend = f"Write `[clusters.{name}]` and its keys below."
            problems.append(Problem(f"`clusters.{name}` must be a table", _place(config, text, name), mend=mend))
            continue
        problems += [
            Problem(what, _place(config, text, name, key), why, mend)
            for key, what, why, mend in (*_of_name(name), *_of_keys(name, table), *_of_token(name, table))
        ]
    return problems


def _of_name(name: str) -> list[tuple[str, str, str, str]]:
    if name == "local":
        return [("", "a cluster cannot be called `local`", "That is the name of this machine.", "Choose another name.")]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        mend = "Use letters, digits, `-`, `_` and `.`."
        return [
            ("", f"a cluster cannot be called `{name}`", "The name is used for files and on the command line.", mend)
        ]
    return []


def _of_keys(name: str, table: Mapping[str, Json]) -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, str, str, str]] = []
    where = f"[clusters.{name}]"
    for key, value in table.items():
        if key not in KEYS:
            hint = nearest(key, KEYS)
            found.append((key, f"unknown key `{key}` in {where}", "", hint[:1].upper() + hint[1:]))
        elif key in _WORDS and value not in _WORDS[key]:
            words = " or ".join(f'"{word}"' for word in _WORDS[key])
            found.append((key, f"`{key}` must be {words}, not {value!r}", "", ""))
        elif key == "allow_open" and not isinstance(value, bool):
            found.append((key, f"`allow_open` must be true or false, not {value!r}", "", ""))
        elif key == "price" and not _is_price(value):
            mend = "Write what an hour of the cluster costs: `price = 2.5`."
            found.append((key, f"`price` must be a number, 0 or more, not {value!r}", "", mend))
        elif key in ("address", "storage"):
            found += _of_url(key, value)
    if "address" not in table:
        mend = 'Write `address = "http://127.0.0.1:8265"`: the port of the cluster\'s dashboard.'
        found.append(("", f"{where} has no `address`", "", mend))
    return found


def _is_price(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _of_url(key: str, value: Json) -> list[tuple[str, str, str, str]]:
    wanted, example = {
        "address": (r"https?://[^/\s?#]+/?[^\s?#]*", "http://127.0.0.1:8265"),
        "storage": (r"[a-z][a-z0-9+.-]*://\S+", "s3://bucket/folder"),
    }[key]
    if not isinstance(value, str) or not re.fullmatch(wanted, value):
        return [(key, f"`{key}` must be a URL, not {value!r}", "", f'Write it like `{key} = "{example}"`.')]
    if "@" in value.partition("://")[2].partition("/")[0]:
        why = "This file is shared and committed; who reads it would get in."
        return [
            (
                key,
                f"`{key}` must not contain a user or a password",
                why,
                f"Remove what is before the `@`. {_TOKEN_MEND}",
            )
        ]
    return []


def _of_token(name: str, table: Mapping[str, Json]) -> list[tuple[str, str, str, str]]:
    token = table.get("token")
    if token is None:
        return []
    if isinstance(token, str):
        why = "This file is shared and committed; who reads a token can run code on the cluster."
        return [("token", "`token` must not be the token itself", why, _TOKEN_MEND)]
    source = next(iter(token.items())) if isinstance(token, dict) and len(token) == 1 else ("", None)
    match source:
        case ("env", str(variable)) if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            return []
        case ("file", str(path)) if path.startswith(("/", "~")):
            return []
        case ("file", str(path)):
            why = "A token does not belong into the project's folder."
            return [("token", f"`token` of [clusters.{name}] names a file without saying where", why, _TOKEN_MEND)]
        case _:
            return [("token", f"`token` of [clusters.{name}] must say where it comes from", "", _TOKEN_MEND)]


def _place(config: str, text: str, name: str, key: str = "") -> Place:
    """The line of `key` in the table of cluster `name`, else that of the table."""
    inside = 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().replace(" ", "").replace('"', "")
        if bare.startswith("["):
            if inside:
                break
            inside = number if bare.startswith(f"[{_prefix(config)}clusters.{name}]") else 0
        if inside and key and bare.startswith(f"{key}="):
            return Place(config, number)
    return Place(config, inside)


def _prefix(config: str) -> str:
    return "tool.instep." if config == "pyproject.toml" else ""
