"""Which files may hold steps: the project's globs over the sources that were read."""

import re
from collections.abc import Collection
from functools import lru_cache

from .project import Project


def step_files(project: Project, code: Collection[str]) -> list[str]:
    """The files of `code` that the project's `steps` globs name, in the order of the globs, then by path."""
    found: dict[str, None] = {}
    for pattern in project.steps:
        matches = _regex(pattern).fullmatch
        found |= dict.fromkeys(path for path in sorted(code) if path.endswith(".py") and matches(path))
    return list(found)


@lru_cache(256)
def _regex(pattern: str) -> re.Pattern[str]:
    """`*` and `?` within a name, `**/` over folders; Python 3.13 has it as `glob.translate`."""
    plain = pattern.removeprefix("./")
    out = ""
    while plain:
        if plain.startswith("**/"):
            out, plain = out + "(?:.*/)?", plain[3:]
        elif plain.startswith("**"):
            out, plain = out + ".*", plain[2:]
        elif plain[0] in "*?":
            out, plain = out + ("[^/]*" if plain[0] == "*" else "[^/]"), plain[1:]
        elif plain[0] == "[" and (end := plain.find("]", 2)) > 0:
            inner = plain[1:end]
            out += f"[{'^' + inner[1:] if inner[0] == '!' else inner}]".replace("\\", "\\\\")
            plain = plain[end + 1 :]
        else:
            out, plain = out + re.escape(plain[0]), plain[1:]
    return re.compile(out)
