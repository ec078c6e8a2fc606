"""Which import names mean the project's files: the one rule that the static reading and the workers share.

The standard library, and what instep itself needs to store a result, win over project files of the same top-level name;
project files win over everything else that is installed.
"""

import sys
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Final

from .project import Project

_PROTECTED: Final = frozenset(
    {"instep", "ray", "numpy", "polars", "pyarrow", "pandas", "blake3", "cloudpickle", "matplotlib"}
)


def is_ours(top: str) -> bool:
    """Whether a top-level name may be the project's."""
    return top not in _PROTECTED and top not in sys.stdlib_module_names


def is_init(path: str) -> bool:
    return path.rpartition("/")[2] == "__init__.py"


def module_name(path: str) -> str:
    """`a/b.py` → `a.b`, `a/__init__.py` → `a`; "" for what is not an importable Python file."""
    if not path.endswith(".py"):
        return ""
    parts = path[:-3].split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else ""


def root_prefixes(project: Project) -> list[str]:
    """The project's roots as prefixes of paths: `""` or `src/`."""
    plain = (str(PurePosixPath(root)) for root in project.roots)
    return ["" if root == "." else root + "/" for root in plain]


def module_table_of(project: Project, code: Collection[str]) -> dict[str, str]:
    """Dotted name → path for the Python files among `code`, as the project's roots let them be imported.

    A file below several roots has several names; the one from the deepest root is its first. Of two files with one
    name that of the earlier root counts. Names that a step's own folder gives are not here: `program.py` adds them.
    """
    named = [
        (name, path, order, -len(root))
        for path in sorted(code)
        for order, root in enumerate(root_prefixes(project))
        if path.startswith(root) and (name := module_name(path[len(root) :]))
    ]
    winner: dict[str, tuple[int, str]] = {}
    for name, path, order, _ in named:
        winner[name] = min(winner.get(name, (order, path)), (order, path))
    named.sort(key=lambda one: (one[1], one[3]))
    return {name: path for name, path, _, _ in named if winner[name][1] == path}
