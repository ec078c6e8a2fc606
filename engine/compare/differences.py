"""What differs between two runs, as frozen values: the same for the screen, the command line and JSON.

The vocabulary is fixed. Determinants come first, then what happened, then what came out, so that reading from the top
is reading from causes to effects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Document = dict[str, Any]  # Any: JSON as docs/json.md describes it

Kind = Literal[
    "param",
    "code",
    "file",
    "package",
    "python",
    "hardware",
    "target",
    "step",
    "metric",
    "table",
    "array",
    "value",
    "log",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""In the order in which they are told."""
DETERMINANTS: Final[frozenset[Kind]] = frozenset(("param", "code", "file", "package", "python", "hardware", "target"))
OUTPUTS: Final[frozenset[Kind]] = frozenset(("table", "array", "value"))
"""Figures, lists, texts and models are of kind `value`; `detail["kind"]` says which."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in A and B.

    `subject` names it (`model.rate`, `pipeline:scale`, `data/x.csv`, `score.rmse`, an output, a step); `before` is what
    A has and `after` what B has, None where one has it not; `detail` is what its kind has to add (see docs/json.md).
    """

    kind: Kind
    subject: str
    before: Any  # Any: JSON
    after: Any  # Any: JSON
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON

    def to_json(self) -> Document:
        return {
            "kind": self.kind,
            "subject": self.subject,
            "before": self.before,
            "after": self.after,
            "detail": dict(self.detail),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Difference":  # Any: JSON as `to_json` wrote it
        return cls(data["kind"], data["subject"], data["before"], data["after"], data["detail"])


@dataclass(frozen=True, slots=True)
class Comparison:
    """A and B by their labels (`41`, `now`), what differs, and how many things of each kind do not.

    `runs` says of each what it was (state, when, target, git); `first_divergence` is the first step, in graph order,
    whose inputs are equal and whose output is not, with the step's own determinants that differ.
    """

    a: str
    b: str
    differences: tuple[Difference, ...]
    equal: Mapping[Kind, int]
    runs: tuple[Mapping[str, Any], ...] = ()  # Any: JSON
    first_divergence: Mapping[str, Any] | None = None  # Any: JSON

    def of(self, *kinds: Kind) -> tuple[Difference, ...]:
        """The differences of these kinds, in order."""
        return tuple(one for one in self.differences if one.kind in kinds)

    def determinants(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.kind in DETERMINANTS)

    def to_json(self) -> Document:
        return {
            "a": label_json(self.a),
            "b": label_json(self.b),
            "runs": [dict(one) for one in self.runs],
            "differences": [one.to_json() for one in self.differences],
            "equal": {kind: self.equal.get(kind, 0) for kind in KINDS},
            "first_divergence": None if self.first_divergence is None else dict(self.first_divergence),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Comparison":  # Any: JSON as `to_json` wrote it
        """For a screen that has the comparison from another process."""
        return cls(
            str(data["a"]),
            str(data["b"]),
            tuple(Difference.from_json(one) for one in data["differences"]),
            data["equal"],
            tuple(data["runs"]),
            data["first_divergence"],
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """What one kind's comparison found."""

    kind: Kind
    differences: tuple[Difference, ...] = ()
    equal: int = 0


def ordered(found: Iterable[Compared]) -> tuple[tuple[Difference, ...], dict[Kind, int]]:
    """All differences, determinants first, and the counts of equal things by kind."""
    parts = list(found)
    equal: dict[Kind, int] = dict.fromkeys(KINDS, 0)
    for one in parts:
        equal[one.kind] += one.equal
    differences = [one for part in parts for one in part.differences]
    return tuple(sorted(differences, key=lambda one: KINDS.index(one.kind))), equal


def label_json(label: str) -> int | str:
    """A run's number as a number, `now` as it is."""
    return int(label) if label.isdigit() else label
