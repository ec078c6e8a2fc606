"""What the items of a fan-out have come to so far: how many of each group, and where the best of their results are.

A group is what the first `Each` argument is the same of: a country with all of its settings. What is best is said by
the first number of a result (a flat dict, or what it logged) whose name says which way is better.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .errors import StoreError
from .fan_items import FanItems
from .ids import Json
from .metric_names import direction
from .snapshots.artifact import ItemRef
from .snapshots.formats import load_item
from .snapshots.objects import ObjectStore

MOST: Final = 300
"""Groups that are told one by one."""
_LABEL: Final = 40
_NUMBERS: Final = (int, float)
_NAMING: Final = ("name", "id", "key", "label", "title")


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.count += 1

    @property
    def value(self) -> float:
        return self.total / self.count


@dataclass(slots=True)
class _Tally:
    """What one item of an argument's list has come to, over all of the others."""

    done: int = 0
    mean: _Mean = field(default_factory=_Mean)


class FanGroups:
    """Looks at each item once, when it is asked after the item has ended."""

    def __init__(self, fan: FanItems, objects: ObjectStore) -> None:
        self._fan, self._objects = fan, objects
        self._looked = 0
        self._tallies = [[_Tally() for _ in one] for one in fan.lists]
        self._labels: dict[tuple[int, int], str] = {}
        self._metric = ""
        self._best: tuple[float, int] | None = None

    def look(self) -> dict[str, Json]:
        """{"by": argument, "groups": [[label, items, done, failed, mean or null]], "metric", "better", "best":
        {"value", "arguments": {argument: label}} or null, "leaders": {argument: [label, mean, items]}}. `groups` is
        empty where there are more than `MOST`; `leaders` are of a fan-out over several lists."""
        ended = self._fan.ended()
        new = ended[self._looked :]
        self._looked = len(ended)
        for index, numbers in zip(new, self._numbers(new), strict=True):
            self._take(index, numbers)
        return {
            "by": self._fan.names[0],
            "groups": self._groups(),
            "metric": self._metric,
            "better": direction(self._metric),
            "best": self._best_told(),
            "leaders": self._leaders(),
        }

    def _numbers(self, items: Sequence[int]) -> list[Mapping[str, float]]:
        """What each of the items logged, else the numbers of its result."""
        logged = [self._fan.logged(index) for index in items]
        silent = [index for index, one in zip(items, logged, strict=True) if not one]
        found = iter(_numbers_in([_flat(self._fan.results(index).values()) for index in silent]))
        return [one or next(found) for one in logged]

    def _take(self, index: int, numbers: Mapping[str, float]) -> None:
        value = self._value(numbers)
        for at, place in enumerate(self._fan.places(index)):
            tally = self._tallies[at][place]
            tally.done += 1
            if value is not None:
                tally.mean.add(value)
        if value is not None and (self._best is None or self._is_better(value, self._best[0])):
            self._best = value, index

    def _value(self, numbers: Mapping[str, float]) -> float | None:
        if not self._metric:
            self._metric = next((name for name in numbers if direction(name)), "")
        value = numbers.get(self._metric)
        return value if value is not None and math.isfinite(value) else None

    def _is_better(self, value: float, than: float) -> bool:
        return value < than if direction(self._metric) == "lower" else value > than

    def _groups(self) -> Json:
        tallies = self._tallies[0]
        if len(tallies) > MOST:
            return []
        items, failed = [0] * len(tallies), [0] * len(tallies)
        each = math.prod(len(one) for one in self._fan.lists[1:])
        for group in range(len(tallies)):
            items[group] = max(0, min(each, len(self._fan) - group * each))
        for index in self._fan.failing():
            failed[self._fan.places(index)[0]] += 1
        return [
            [self._label(0, at), items[at], one.done, failed[at], one.mean.value if one.mean.count else None]
            for at, one in enumerate(tallies)
        ]

    def _best_told(self) -> Json:
        if self._best is None:
            return None
        value, index = self._best
        places = self._fan.places(index)
        return {
            "value": value,
            "arguments": {name: self._label(at, places[at]) for at, name in enumerate(self._fan.names)},
        }

    def _leaders(self) -> Json:
        """Of each argument what is best on average, among what has at least half as many results as any other."""
        found: dict[str, Json] = {}
        for at, tallies in enumerate(self._tallies if len(self._tallies) > 1 else ()):
            most = max((one.mean.count for one in tallies), default=0)
            means = [(place, one.mean) for place, one in enumerate(tallies) if one.mean.count]
            known = [(place, one) for place, one in means if 2 * one.count >= most]
            if len(known) > 1:
                place, mean = known[0]
                for other, one in known[1:]:
                    if self._is_better(one.value, mean.value):
                        place, mean = other, one
                found[self._fan.names[at]] = [self._label(at, place), mean.value, mean.count]
        return found

    def _label(self, argument: int, place: int) -> str:
        known = self._labels.get((argument, place))
        if known is None:
            known = self._labels[argument, place] = label_of(self._fan.lists[argument][place], self._objects, place)
        return known


def label_of(ref: ItemRef, objects: ObjectStore, place: int) -> str:
    """How people would call an item; nothing is unpickled for it."""
    try:
        value: Json = load_item(ref, objects) if ref.format == "json" else None
    except StoreError:
        value = None
    if isinstance(value, dict):
        value = _named(value)
    if value is None or isinstance(value, list | tuple):
        return f"item {place}"
    text = str(value)
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"


def _named(value: Mapping[str, object]) -> str | None:
    plain = {str(name): one for name, one in value.items() if isinstance(one, str | int | float)}
    if (name := next((one for one in _NAMING if one in plain), None)) is not None:
        return str(plain[name])
    words = (f"{name}={one:g}" if isinstance(one, float) else f"{name}={one}" for name, one in plain.items())
    return " ".join(words) or None


def _flat(results: Iterable[ItemRef]) -> str:
    """The text of the first result that is a short dict; an empty dict's where there is none."""
    return next((one.inline for one in results if one.inline is not None and one.inline.startswith("{")), "{}")


def _numbers_in(texts: Iterable[str]) -> list[dict[str, float]]:
    """The numbers of each of these dicts in canonical JSON; together they are read several times as fast as singly."""
    found: list[dict[str, Any]] = json.loads(f"[{','.join(texts)}]")  # Any: canonical JSON
    return [{name: float(one) for name, one in each.items() if type(one) in _NUMBERS} for each in found]
