"""What may have moved a metric, in pieces that can be taken from A or from B each by itself.

Definitions are one factor where the same steps reach them, params where one value was changed everywhere at once, files
where one argument brings them. Packages, Python and hardware are no factors: only one of each is here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from .causes import Cause, Needs
from .differences import Difference, Document
from .facts import RunFacts

FactorKind = Literal["code", "param", "file"]
ALL_CODE: Final = "all code"


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing to take from A or from B. `subjects` are what it consists of: ids of definitions, `step.param`, paths;
    `steps` those that it is read by or belongs to."""

    kind: FactorKind
    name: str
    subjects: tuple[str, ...]
    steps: tuple[str, ...]
    before: Any = None  # Any: JSON
    after: Any = None  # Any: JSON

    def to_json(self) -> Document:
        return {
            "kind": self.kind,
            "name": self.name,
            "subjects": list(self.subjects),
            "steps": list(self.steps),
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class Factors:
    """`tried` are taken apart; `left_out` differ and cannot be taken from the one or the other."""

    tried: tuple[Factor, ...]
    left_out: tuple[Difference, ...] = ()


def factors_of(causes: Sequence[Cause], a: RunFacts, b: RunFacts, *, code_whole: bool = False) -> Factors:
    """The factors among the causes of a metric's change, nearest first. `code_whole`: all code is one."""
    differences = [one.difference for one in causes]
    code = [one for one in differences if one.kind == "code"]
    found = [*_code_factors(code, whole=code_whole), *_param_factors(differences), *_file_factors(differences, a, b)]
    inside = {subject for one in found for subject in one.subjects}
    # A param that only one side has comes and goes with the code that declares it.
    gone = {one.subject for one in differences if one.kind == "param" and one.detail["change"] != "changed"}
    gone |= {one.subject for one in code}
    left = tuple(one for one in differences if one.subject not in inside and one.subject not in gone)
    place = {subject: at for at, one in enumerate(differences) for subject in [one.subject]}
    return Factors(tuple(sorted(found, key=lambda one: min(place[subject] for subject in one.subjects))), left)


def touched(factors: Sequence[Factor], needs: Needs) -> dict[str, frozenset[int]]:
    """For every step the places of the factors that can change what it gives: its own, and those of steps before it."""
    found: dict[str, frozenset[int]] = {}

    def of(step: str, seen: frozenset[str]) -> frozenset[int]:
        if step not in found:
            own = frozenset(at for at, one in enumerate(factors) if step in one.steps)
            before = (of(source, seen | {step}) for _, source in needs.get(step, ()) if source not in seen)
            found[step] = own.union(*before)
        return found[step]

    for step in needs:
        of(step, frozenset((step,)))
    return found


def _code_factors(code: Sequence[Difference], *, whole: bool) -> list[Factor]:
    """What was only added or removed is there in every hybrid (`compose.py`) and makes no factor by itself."""
    if whole:
        steps = tuple(dict.fromkeys(step for one in code for step in one.detail["steps"]))
        return [Factor("code", ALL_CODE, tuple(one.subject for one in code), steps)] if code else []
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for one in code:
        if one.detail["change"] in ("changed", "moved"):
            groups.setdefault(tuple(sorted(one.detail["steps"])), []).append(one)
    return [_code_factor(steps, those) for steps, those in _with_imports(groups).items()]


def _with_imports(groups: Mapping[tuple[str, ...], list[Difference]]) -> dict[tuple[str, ...], list[Difference]]:
    """An import goes with the code of a step that uses it: without that it changes nothing."""
    found = {steps: list(those) for steps, those in groups.items() if not _only_imports(those)}
    for steps, those in groups.items():
        if _only_imports(those):
            owner = next((one for one in found if set(one) & set(steps)), steps)
            found.setdefault(owner, []).extend(those)
    return found


def _only_imports(those: Iterable[Difference]) -> bool:
    return all(one.detail["kind"] == "import" for one in those)


def _code_factor(steps: tuple[str, ...], those: Sequence[Difference]) -> Factor:
    if len(steps) == 1:
        name = f"code of {steps[0]}"
    else:
        name = f"{_few([str(one.detail['name']) for one in those])} (code of {_few(steps)})"
    every = dict.fromkeys(step for one in those for step in one.detail["steps"])
    return Factor("code", name, tuple(one.subject for one in those), tuple(every))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" …" if names[3:] else "")


def _param_factors(differences: Iterable[Difference]) -> list[Factor]:
    groups: dict[tuple[str, str, str], list[Difference]] = {}
    for one in differences:
        if one.kind == "param" and one.detail["change"] == "changed":
            name = one.subject.partition(".")[2]
            groups.setdefault((name, repr(one.before), repr(one.after)), []).append(one)
    return [
        Factor(
            "param",
            those[0].subject if len(those) == 1 else name,
            tuple(one.subject for one in those),
            tuple(one.subject.partition(".")[0] for one in those),
            those[0].before,
            those[0].after,
        )
        for (name, _, _), those in groups.items()
    ]


def _file_factors(differences: Iterable[Difference], a: RunFacts, b: RunFacts) -> list[Factor]:
    groups: dict[tuple[str, tuple[str, ...]], list[Difference]] = {}
    for one in differences:
        if one.kind == "file":
            sides = [run.files[one.subject] for run in (b, a) if one.subject in run.files]
            argument = sides[0].argument or one.subject
            groups.setdefault((argument, tuple(one.detail["steps"])), []).append(one)
    return [
        Factor(
            "file",
            those[0].subject if len(those) == 1 else f"{len(those)} files of {', '.join(steps)} ({argument})",
            tuple(one.subject for one in those),
            steps,
            those[0].before if len(those) == 1 else None,
            those[0].after if len(those) == 1 else None,
        )
        for (argument, steps), those in groups.items()
    ]
