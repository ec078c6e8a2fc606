"""`compare`: how runs differ, for people and for programs."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ...engine.errors import UsageError
from ...engine.project import STORE
from ..text import colourful, plural
from .context import DONE, put_json, root_of

if TYPE_CHECKING:
    from ...engine.compare.facts import RunFacts


def compare(arguments: argparse.Namespace) -> int:
    """Two runs: every difference. More: a table of what differs."""
    root = root_of(arguments)
    labels: list[str] = arguments.runs
    if len(labels) < 2:
        raise UsageError(
            f"one run is no comparison: `{labels[0]}`",
            mend=f"Give two, e.g. `instep compare {labels[0]} now`; `instep runs` lists them.",
        )
    if arguments.ui:
        return _on_screen(root, labels)
    exports = [(kind, path) for kind in ("csv", "markdown", "parquet") if (path := getattr(arguments, kind))]
    if len(labels) > 2 or exports:
        return _compare_many(arguments, root, labels, exports)
    from ...engine.compare.deep import deepen
    from ...engine.compare.look import compare_facts, distinct_facts
    from ...engine.compare.runs import equal_things, only_step
    from .telling import told

    a, b = distinct_facts(root, labels)
    _say_behind((a, b))
    found = compare_facts(root, a, b)
    if arguments.step:
        _require_step(arguments.step, (*a.graph, *b.graph))
        found = only_step(found, arguments.step)
    key = [name.strip() for name in (arguments.key or "").split(",") if name.strip()]
    found = deepen(root / STORE, found, a, b, step=arguments.step or "", key=key, every=arguments.all)
    if arguments.json:
        put_json(found.to_json())
        return DONE
    equal = equal_things(a, b, found) if arguments.all else ()
    for line in told(found, equal, on=colourful(), whole=arguments.all):
        print(line)
    return DONE


def _on_screen(root: Path, labels: list[str]) -> int:
    from ...engine.compare.look import distinct_facts
    from ..opening import open_screen

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("`--ui` needs a terminal", mend="Leave it out: the same differences are printed.")
    distinct_facts(root, labels)  # a run that is not there is told here
    return open_screen(root, compare=labels)


def _compare_many(arguments: argparse.Namespace, root: Path, labels: list[str], exports: list[tuple[str, str]]) -> int:
    from ...engine.compare.look import distinct_facts
    from ...engine.compare.matrix import export, matrix_of
    from .telling import matrix_lines

    if arguments.step or arguments.key:
        raise UsageError("`--step` and `--key` are for two runs", mend="Give two runs, or leave them out.")
    runs = distinct_facts(root, labels)
    _say_behind(runs)
    matrix = matrix_of(runs)
    for kind, path in exports:
        export(matrix, Path(path), kind)
    if arguments.json:
        put_json(matrix.to_json())
        return DONE
    for line in matrix_lines(matrix, on=colourful()):
        print(line)
    for _, path in exports:
        print(f"written to {path}")
    return DONE


def _say_behind(runs: Iterable["RunFacts"]) -> None:
    """Old news is told as such."""
    behind = max(int(one.about.get("behind", 0)) for one in runs)
    if behind:
        print(f"the catalog is {plural(behind, 'event')} behind", file=sys.stderr)


def _require_step(step: str, known: tuple[str, ...]) -> None:
    if step not in known:
        from ...engine.errors import nearest

        hint = nearest(step, known)
        raise UsageError(f"neither run has a step `{step}`", mend=hint[:1].upper() + hint[1:])
