"""What a question could go on with: names of tables and columns, and SQL's words. Pure functions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.text import Text

from ..text import clean, fit, width

_WORD = re.compile(r'(?:[\w$]|\.|"[^"]*"?)*$')
_PLAIN = re.compile(r"[^\W\d]\w*")
_TABLE_NEXT = re.compile(r"\b(?:from|join|describe|summarize|table)\s*$", re.IGNORECASE)
_MENTIONED = re.compile(
    r"\b(?:from|join)\s+((?:[\w$]+|\"[^\"]*\")(?:\.(?:[\w$]+|\"[^\"]*\"))*)(?:\s+(?:as\s+)?([^\W\d]\w*))?",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"where|group|order|limit|join|on|using|left|right|inner|outer|full|cross|select|having|union|qualify|natural", re.I
)
"""What may stand behind a table's name and is no alias of it."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a question can name: columns by table, and SQL's reserved words."""

    tables: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    words: Sequence[str] = ()


def candidates(text: str, at: int, names: Names) -> list[str]:
    """What the word before the place `at` could be, the likeliest first: after `from` tables, after an alias and a
    point its columns, else columns of the tables that are named, tables, words."""
    word = _word(text[:at])
    found: dict[str, None] = {}
    aliases = _aliases(text, names)
    head, point, rest = word.rpartition(".")
    if point and _bare(head).lower() in aliases:
        columns = names.tables[aliases[_bare(head).lower()]]
        return [f"{head}.{quoted(one)}" for one in columns if _begins(one, rest)]
    tables = [_written(one) for one in names.tables if _begins(one, word)]
    if _TABLE_NEXT.search(text[: at - len(word)]):
        return tables
    mentioned = dict.fromkeys(aliases.values())
    for one in mentioned:
        found |= dict.fromkeys(quoted(column) for column in names.tables[one] if _begins(column, word))
    found |= dict.fromkeys(tables)
    if word and not point:
        found |= dict.fromkeys(one for one in names.words if _begins(one, word))
    return [one for one in found if one.lower() != word.lower()] if word or mentioned else []


def completed(text: str, at: int, candidate: str) -> tuple[str, int]:
    """The text with the word before `at` replaced by a candidate, and where the cursor is then."""
    start = at - len(_word(text[:at]))
    return text[:start] + candidate + text[at:], start + len(candidate)


def common(found: Sequence[str]) -> str:
    """The beginning that all of them share, whatever the case."""
    if not found:
        return ""
    first = found[0]
    for at in range(len(first), 0, -1):
        if all(one[:at].lower() == first[:at].lower() for one in found):
            return first[:at]
    return ""


def column_completion(text: str, columns: Iterable[str]) -> str | None:
    """A condition with its last word completed to the first column that begins so; None where there is none."""
    word = _word(text)
    if not word or word.endswith("."):
        return None
    found = next((one for one in columns if _begins(one, word) and one.lower() != _bare(word).lower()), None)
    return text[: len(text) - len(word)] + quoted(found) if found is not None else None


def quoted(name: str) -> str:
    """A name as SQL wants it written."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def hint_lines(found: Sequence[str], room: int, tall: int) -> list[Text]:
    """Candidates in columns, as many as there is room for."""
    if not found:
        return []
    cells = [clean(one) for one in found]
    wide = min(max(width(one) for one in cells[:200]) + 2, room)
    each = max(1, room // wide)
    lines: list[Text] = []
    for start in range(0, min(len(cells), each * tall), each):
        line = Text(no_wrap=True)
        for one in cells[start : start + each]:
            line.append(fit(one, wide - 1) + " " * max(1, wide - width(fit(one, wide - 1))), "text")
        lines.append(line)
    left = len(cells) - each * tall
    return [*lines[:-1], Text(f"… {left + each:,} more", "dim")] if left > 0 and lines else lines


def remembered(history: Sequence[str], query: str, most: int = 200) -> list[str]:
    """The history with one more question, the newest last, each once."""
    return [*(one for one in history if one != query), query][-most:]


def _word(before: str) -> str:
    found = _WORD.search(before)
    return found[0] if found else ""


def _bare(name: str) -> str:
    return name.replace('"', "")


def _begins(name: str, typed: str) -> bool:
    return name.lower().startswith(_bare(typed).lower())


def _written(table: str) -> str:
    schema, point, name = table.partition(".")
    return f"{schema}.{quoted(name)}" if point else quoted(schema)


def _aliases(text: str, names: Names) -> dict[str, str]:
    """Alias or table name (in small letters) → table, for every table that the question names."""
    by_name = {one.lower(): one for one in names.tables}
    found: dict[str, str] = {}
    for table, alias in _MENTIONED.findall(text):
        known = by_name.get(_bare(table).lower())
        if known is not None:
            found[known.lower()] = known
            found[known.rpartition(".")[2].lower()] = known
            if alias and not _AFTER.fullmatch(alias):
                found[alias.lower()] = known
    return found
