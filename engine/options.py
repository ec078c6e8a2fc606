"""What `@step(…)` says, read from the source → `Options`, with every mistake in it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from .errors import Place, Problem, nearest
from .graph import Options
from .ids import Json
from .literals import Lookup, Static, Unknown, evaluate

_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES: Final = {"": 1, "b": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}


def read_options(
    declared: Iterable[tuple[str, int, Static | None]], path: str, step: str, lookup: Lookup
) -> tuple[Options, list[Problem]]:
    """The options as far as they are right; each problem has the line of its option."""
    found: dict[str, Any] = {}  # Any: each field of Options has its own type, checked by its reader
    problems: list[Problem] = []
    for name, line, static in declared:
        place = Place(path, line)
        reader = _READERS.get(name)
        if reader is None:
            hint = nearest(name, _READERS)
            problems.append(
                Problem(f"step `{step}` has an unknown option `{name}`", place, mend=hint[:1].upper() + hint[1:])
            )
            continue
        try:
            value = _evaluated(static, path, lookup)
        except Unknown:
            problems.append(
                Problem(
                    f"step `{step}`: the option `{name}` cannot be read from the source",
                    place,
                    "Steps are read without running them.",
                    "Give it as a literal or a module-level constant.",
                )
            )
            continue
        try:
            found[name] = reader(value)
        except ValueError as error:
            problems.append(Problem(f"step `{step}`: the option `{name}` is {value!r}", place, mend=f"Give {error}."))
    return replace(Options(), **found), problems


def _evaluated(static: Static | None, path: str, lookup: Lookup) -> Json:
    """Raises Unknown, also where what is written is nothing that can be evaluated."""
    if static is None:
        raise Unknown
    return evaluate(static, path, lookup)


def _number(least: float) -> Callable[[Json], float]:
    def read(value: Json) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
            raise ValueError(f"a number of at least {least:g}")
        return float(value)

    return read


def _count(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number of at least 0")
    return value


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _text(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a text")
    return str(value)


def _names(value: Json) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(one, str) and one for one in value):
        names = tuple(str(one) for one in value)
        if len(set(names)) == len(names):
            return names
    raise ValueError("a list of different texts")


def _key(value: Json) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else _names(value)


def _outputs(value: Json) -> tuple[str, ...]:
    names = _names(value)
    if not all(name.isidentifier() for name in names):
        raise ValueError("a list of names that can be arguments of other steps")
    return names


def _resources(value: Json) -> Mapping[str, float]:
    if not isinstance(value, dict):
        raise ValueError('a dict of numbers, such as {"licence": 1}')
    return {name: _number(0)(amount) for name, amount in value.items()}


def _memory(value: Json) -> int:
    wanted = 'a number of bytes, or a text such as "2GiB" or "500MB"'
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", value.lower())
        if match is None:
            raise ValueError(wanted)
        unit = _BYTES[match[2]]
        if match[3]:
            unit = 1024 ** ("kmgt".index(match[2]) + 1) if match[2] else 1
        return int(float(match[1]) * unit)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(wanted)
    return int(value)


def _timeout(value: Json) -> float | None:
    wanted = 'seconds, or a text such as "90s", "15m", "2h"'
    if value is None:
        return None
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)\s*", value.lower())
        if match is None:
            raise ValueError(wanted)
        value = float(match[1]) * _SECONDS[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(wanted)
    return float(value)


def _packages(value: Json) -> str:
    if value not in ("exact", "minor", "any"):
        raise ValueError('"exact", "minor" or "any"')
    return str(value)


def _labels(value: Json) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) and one for one in value.values()):
        raise ValueError('a dict of texts, such as {"ray.io/accelerator-type": "A100"}')
    return {name: str(one) for name, one in value.items()}


def _cluster(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError("the name of a cluster")
    return value


_READERS: Final[Mapping[str, Callable[[Json], object]]] = {
    "outputs": _outputs,
    "cpus": _number(0),
    "gpus": _number(0),
    "memory": _memory,
    "resources": _resources,
    "retries": _count,
    "timeout": _timeout,
    "cache": _flag,
    "version": _text,
    "env": _names,
    "auto": _flag,
    "isolate": _flag,
    "deps": _names,
    "ignore": _names,
    "packages": _packages,
    "key": _key,
    "labels": _labels,
    "run_on": _cluster,
}
SCHEDULING: Final = ("cpus", "gpus", "memory", "resources", "retries", "timeout", "auto", "isolate", "labels", "run_on")
"""Options that say where and when a step runs, and nothing of what it gives: what `[step.NAME]` may say too."""


def read_option(name: str, value: Json) -> object:
    """The value of one option as it is kept. Raises ValueError that says what it should be, KeyError for no option."""
    return _READERS[name](value)
