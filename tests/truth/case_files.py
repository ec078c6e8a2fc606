"""The case files: a claim, a tree, an edit, and what must run because of it.

# the claim
--- before PATH        a file of the first tree
--- after PATH         a file as it is in the second tree (a new one, or a whole one)
--- edit PATH          `- ` lines are replaced by the `+ ` lines that follow
--- delete PATH
--- expect
runs: a, b             these run, all others are re-used
why a: helper clean at lib.py, constant    what the plan says of a step that runs: every kind; subject and file if given
same: b                its output is equal all the same
pending: c             it is re-used, which the plan cannot promise
blind a: words         what is said of the step that a static reading cannot know
items a: done 1, reused 2
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "cases"
_REASON = re.compile(r"(\w+)(?: ((?!at ).+?))?(?: at (\S+))?")


@dataclass
class Case:
    claim: str
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str | None] = field(default_factory=dict)
    steps: dict[str, frozenset[str]] = field(default_factory=dict)
    why: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    blind: dict[str, str] = field(default_factory=dict)
    items: dict[str, dict[str, int]] = field(default_factory=dict)


def read_case(path: Path) -> Case:
    head, *sections = re.split(r"^--- ", path.read_text(), flags=re.MULTILINE)
    claim = re.fullmatch(r"# (.+)\s*", head)
    assert claim and sections[-1].startswith("expect\n"), f"{path.name}: the claim is first, what is expected last"
    case = Case(claim[1])
    for section in sections:
        title, _, body = section.partition("\n")
        match title.split(" "):
            case ["before", name] if name not in case.before:
                case.before[name] = body
            case ["after", name] if name not in case.after:
                case.after[name] = body
            case ["delete", name] if name in case.before and not body:
                case.after[name] = None
            case ["edit", name]:
                case.after[name] = _edited(case.after.get(name) or case.before[name], body.splitlines(), path)
            case ["expect"]:
                _expect(case, body)
            case _:
                raise ValueError(f"{path.name}: no section `{title}`, or it is there twice")
    assert case.why.keys() == case.steps["runs"], f"{path.name}: `why` is said of the steps that run"
    return case


def _edited(text: str, edit: list[str], path: Path) -> str:
    old, new = ("\n".join(line[2:] for line in edit if line[:2] == mark) for mark in ("- ", "+ "))
    assert all(line[:2] in ("- ", "+ ") for line in edit), f"{path.name}: lines of an edit begin with - or +"
    assert text.count(old) == 1, f"{path.name}: `{old}` is there {text.count(old)} times"
    return text.replace(old, new)


def _expect(case: Case, body: str) -> None:
    for line in body.splitlines():
        key, _, value = line.partition(":")
        words = [one.strip() for one in value.split(",") if one.strip()]
        match key.split(" "):
            case [("runs" | "same" | "pending") as what] if what not in case.steps:
                case.steps[what] = frozenset(words)
            case ["why", step] if step not in case.why:
                found = [_REASON.fullmatch(word) for word in words]
                case.why[step] = [(one[1], one[2] or "", one[3] or "") for one in found if one]
            case ["blind", step]:
                case.blind[step] = value.strip()
            case ["items", step]:
                case.items[step] = {state: int(count) for state, count in (one.split() for one in words)}
            case _:
                raise ValueError(f"{case.claim}: no expectation `{line}`, or it is there twice")
