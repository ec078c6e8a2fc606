"""Why a step is stale: the difference between what determined it when it last ended and what determines it now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from .fingerprint import Unit
from .ids import Digest, Json
from .keys import Determinants

ReasonKind = Literal[
    "never_run",
    "code",
    "helper",
    "constant",
    "class",
    "module_init",
    "param",
    "input",
    "file",
    "env",
    "package",
    "python",
    "version",
    "output_missing",
    "quarantined",
    "opaque",
    "forced",
    "failed",
]
_UNIT_KINDS: Mapping[str, ReasonKind] = {
    "function": "helper",
    "class": "class",
    "constant": "constant",
    "module_init": "module_init",
}
WIDEST = 60
"""Characters of a value shown in a reason; the whole of it is in the snapshot."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that changed. `subject` names it, `place` is `file:line`, `before` and `after` are short texts, `via`
    is the call path from the step to a definition, or from a stale step upstream to this one."""

    kind: ReasonKind
    subject: str
    place: str | None = None
    before: str | None = None
    after: str | None = None
    via: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "subject": self.subject,
            "place": self.place,
            "before": self.before,
            "after": self.after,
            "via": list(self.via),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Reason":  # Any: JSON that `to_json` wrote
        return cls(data["kind"], data["subject"], data["place"], data["before"], data["after"], tuple(data["via"]))

    def __str__(self) -> str:
        match self.kind:
            case "never_run":
                return "never run"
            case "output_missing":
                return f"{self.subject} is not kept any more"
            case "quarantined":
                return f"{self.subject} was damaged"
            case "failed":
                return f"failed last time: {self.subject}" if self.subject else "failed last time"
            case "forced":
                return self.subject
            case "input" if self.before is None and self.after is None:
                return " → ".join(self.via) if len(self.via) > 1 else f"needs {self.subject}"
            case _:
                return self._change()

    def _change(self) -> str:
        words = {"module_init": "top level of", "input": "new output of", "python": "Python", "version": "version"}
        word = words.get(self.kind, self.kind)
        head = word if self.subject == self.kind else f"{word} {self.subject}"
        if self.kind == "input":
            return head
        if self.before is not None and self.after is not None:
            head = f"{head}: {self.before} → {self.after}"
        elif self.after is not None:
            head = f"{head} added: {self.after}"
        elif self.before is not None:
            head = f"{head} removed"
        return f"{head} ({self.place})" if self.place and self.place != self.subject else head


def difference(
    before: Mapping[str, Any], now: Determinants, source_of: Callable[[Digest], str | None]
) -> tuple[Reason, ...]:
    """Every reason why `now` is not `before` (a `Determinants.to_json`), nearest first: the step's own code, its
    params, what it calls, its inputs, its surroundings."""
    code = _code(before["units"], now, source_of)
    return (
        *(one for one in code if one.kind == "code"),
        *_values("param", before["params"], now.params),
        *(one for one in code if one.kind != "code"),
        *_files(before["files"], now),
        *_inputs(before["inputs"], now),
        *_values("env", before["env"], now.env),
        *_values("package", before["packages"], now.packages),
        *_values("python", {"python": before["python"]}, {"python": now.python}),
        *_values("version", {"version": before["version"]}, {"version": now.version}),
        *_values("opaque", {"outputs": before["outputs"]}, {"outputs": list(now.outputs)}),
    )


def _code(before: Mapping[str, Any], now: Determinants, source_of: Callable[[Digest], str | None]) -> list[Reason]:
    units = {one.id: one for one in now.fingerprint.units}
    found: list[Reason] = []
    for number, (name, unit) in enumerate(units.items()):
        old = before.get(name)
        if old is None:
            found.append(
                Reason(
                    _kind(unit, number), _subject(unit.id), str(unit.place), None, _first_line(unit.source), unit.via
                )
            )
        elif old[0] != unit.digest:
            line, was, became = _changed_line(source_of(old[0]), unit)
            found.append(
                Reason(_kind(unit, number), _subject(unit.id), f"{unit.place.path}:{line}", was, became, unit.via)
            )
    for name, (old_digest, kind, place) in before.items():
        if name not in units:
            old_line = _first_line(source_of(old_digest) or "")
            found.append(Reason(_UNIT_KINDS.get(kind, "helper"), _subject(name), place, old_line or name, None))
    return found


def _kind(unit: Unit, number: int) -> ReasonKind:
    return "code" if number == 0 else _UNIT_KINDS[unit.kind]


def _subject(unit: str) -> str:
    module, _, name = unit.partition(":")
    return name or module


def _changed_line(before: str | None, unit: Unit) -> tuple[int, str | None, str | None]:
    """The first line that differs, by number in the file, before and after."""
    old = (before or "").splitlines()
    for number, (was, became) in enumerate(zip_longest(old, unit.source.splitlines())):
        if was != became:
            return unit.place.line + number, _short(was) if before else None, _short(became)
    return unit.place.line, None, None


def _first_line(source: str) -> str:
    return _short(next((line for line in source.splitlines() if line.strip()), "")) or ""


def _values(kind: ReasonKind, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Reason]:
    names = [*now, *(name for name in before if name not in now)]
    return [
        Reason(kind, name, None, _shown(before, name, kind), _shown(now, name, kind))
        for name in names
        if (name in before) != (name in now) or not _same(before.get(name), now.get(name))
    ]


def _same(one: Json, other: Json) -> bool:
    return digest_of(one) == digest_of(other)


def digest_of(value: Json) -> Digest:
    from .digest import digest

    return digest("value/1", value)


def _shown(values: Mapping[str, Any], name: str, kind: ReasonKind) -> str | None:
    if name not in values:
        return None
    if kind == "env":
        return "not set" if values[name] is None else f"set ({values[name][:6]})"
    return _short(str(values[name]) if kind in ("package", "python") else repr(values[name]))


def _files(before: Mapping[str, Any], now: Determinants) -> list[Reason]:
    old = {path: content for found in before.values() for path, content in found}
    new = {path: content for found in now.files.values() for path, content in found}
    changed = [
        Reason("file", path, path, old.get(path, "")[:8] or None, content[:8])
        for path, content in new.items()
        if old.get(path) != content
    ]
    return changed + [Reason("file", path, None, content[:8], None) for path, content in old.items() if path not in new]


def _inputs(before: Mapping[str, Any], now: Determinants) -> list[Reason]:
    return [
        Reason(
            "input",
            now.origin.get(name, name),
            None,
            str(before.get(name, "new"))[:8],
            identity[:8],
            (now.origin.get(name, name), now.step),
        )
        for name, identity in now.inputs.items()
        if before.get(name) != identity
    ]


def _short(text: str | None) -> str | None:
    if text is None:
        return None
    line = " ".join(_without_comment(text).split())
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"


def _without_comment(line: str) -> str:
    """A line of code without the comment at its end; anything that is no line of code as it is."""
    if "#" not in line:
        return line
    import io
    import tokenize

    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.type == tokenize.COMMENT and token.start[0] == 1 and token.start[1] > 0:
                return line[: token.start[1]].rstrip()
    except (tokenize.TokenError, SyntaxError):
        pass  # half a statement, such as the first line of a call
    return line
