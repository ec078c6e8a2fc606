"""What a good run is, and what a bisection says, as frozen values."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Final, Literal

from ..errors import UsageError
from .attributed import Tried
from .differences import Document
from .factors import Factor
from .hybrids import Outcome

Judged = Literal["good", "bad", "unknown"]
_SIGNS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION: Final = re.compile(r"\s*(\S+?)\s*(<=|>=|==|!=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds for a good run: a metric on the right side of a limit, or (no metric) that nothing failed."""

    metric: str = ""
    sign: str = ""
    limit: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """`score.rmse < 0.30`. Raises UsageError."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise UsageError(
                f"`{text}` is no condition on a metric", mend='Write what holds for good runs: "score.rmse < 0.30".'
            )
        return cls(found[1], found[2], float(found[3]))

    def judge(self, state: str, value: float | None) -> Judged:
        """By what a run recorded."""
        if not self.metric:
            return "bad" if state == "failed" else "good" if state == "done" else "unknown"
        if value is None or isnan(value):
            return "unknown"
        return "good" if _SIGNS[self.sign](value, self.limit) else "bad"

    def judge_outcome(self, one: Outcome) -> Judged:
        """By what a hybrid gave."""
        if not self.metric:
            return "bad" if " failed: " in one.problem else "good" if not one.problem else "unknown"
        return self.judge("done", one.value)

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.limit:g}" if self.metric else "nothing fails"


@dataclass(frozen=True, slots=True)
class Looked:
    """One run that was judged: by what it recorded, or by running its snapshot again (`again`)."""

    run: int
    judged: Judged
    value: float | None
    again: bool
    problem: str = ""

    def to_json(self) -> Document:
        return {
            "run": self.run,
            "judged": self.judged,
            "value": self.value,
            "again": self.again,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Bisection:
    """`first_bad` is the run that made the difference, right after `last_good`; `unjudged` are runs between the two
    that could not be judged, one of which may be it. `guilty` are the factors within it: each of them suffices where
    `alone`, else it takes all of them together. `tried` are the hybrids that say so."""

    condition: str
    good: int
    bad: int
    looked: tuple[Looked, ...]
    last_good: int
    first_bad: int
    unjudged: tuple[int, ...]
    guilty: tuple[Factor, ...]
    alone: bool
    tried: tuple[Tried, ...]
    notes: tuple[str, ...]

    def to_json(self) -> Document:
        return {
            "condition": self.condition,
            "good": self.good,
            "bad": self.bad,
            "looked": [one.to_json() for one in self.looked],
            "last_good": self.last_good,
            "first_bad": self.first_bad,
            "unjudged": list(self.unjudged),
            "guilty": [one.to_json() for one in self.guilty],
            "alone": self.alone,
            "hybrids": [one.to_json() for one in self.tried],
            "notes": list(self.notes),
        }
