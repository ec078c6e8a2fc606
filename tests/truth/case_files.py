"""The case files: a claim, a tree, an edit, and what must run.

# the claim
--- before PATH        a file of the first tree
--- after PATH         a file as it is in the second tree (a new one, or a whole one)
--- edit PATH          `- ` lines are replaced by the `+ ` lines that follow
--- delete PATH
--- expect             `runs: a, b` · `why a: helper` · `blind a: words` · `items a: done 1, reused 2`
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "cases"


@dataclass
class Case:
    claim: str
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str | None] = field(default_factory=dict)
    runs: frozenset[str] = frozenset()
    why: dict[str, str] = field(default_factory=dict)
    blind: dict[str, str] = field(default_factory=dict)
    items: dict[str, dict[str, int]] = field(default_factory=dict)


def read_case(path: Path) -> Case:
    head, *sections = re.split(r"^--- ", path.read_text(), flags=re.MULTILINE)
    assert head.startswith("# "), f"{path.name}: the first line is the claim"
    case = Case(head[2:].strip())
    for section in sections:
        title, _, body = section.partition("\n")
        kind, _, name = title.partition(" ")
        match kind:
            case "before":
                case.before[name] = body
            case "after":
                case.after[name] = body
            case "delete":
                case.after[name] = None
            case "edit":
                case.after[name] = _edited(case.before[name], body, path)
            case "expect":
                _expect(case, body)
            case _:
                raise ValueError(f"{path.name}: no section `{kind}`")
    return case


def _edited(text: str, edit: str, path: Path) -> str:
    old = "\n".join(line[2:] for line in edit.splitlines() if line.startswith("- "))
    new = "\n".join(line[2:] for line in edit.splitlines() if line.startswith("+ "))
    assert text.count(old) == 1, f"{path.name}: `{old}` is there {text.count(old)} times"
    return text.replace(old, new)


def _expect(case: Case, body: str) -> None:
    for line in filter(None, body.splitlines()):
        key, _, value = line.partition(":")
        words = [one.strip() for one in value.split(",") if one.strip()]
        kind, _, step = key.partition(" ")
        if kind == "runs":
            case.runs = frozenset(words)
        elif kind == "items":
            case.items[step] = {state: int(count) for state, count in (one.split() for one in words)}
        else:
            {"why": case.why, "blind": case.blind}[kind][step] = value.strip()
