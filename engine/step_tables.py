"""`[step.NAME]` in a project's configuration: where and when a step runs, said without touching its code.

What a step gives is said in its code alone, so only options of scheduling count here; they win over those in the code.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .errors import Place, Problem, nearest
from .graph import Graph, Step
from .ids import Json, StepName
from .options import SCHEDULING, read_option


def with_tables(graph: Graph, tables: Mapping[str, Json], config: str) -> Graph:
    """The graph with these options; a mistake in one is a problem of the graph and changes nothing."""
    steps: dict[StepName, Step] = dict(graph.steps)
    problems: list[Problem] = []
    for name, table in tables.items():
        step = steps.get(StepName(name))
        if step is None or not isinstance(table, dict):
            hint = nearest(name, steps)
            mend = hint[:1].upper() + hint[1:]
            what = f"[step.{name}] names no step" if step is None else f"`step.{name}` must be a table"
            problems.append(Problem(what, Place(config), mend=mend))
            continue
        found, wrong = _options(name, table, config)
        problems += wrong
        steps[step.name] = replace(step, options=replace(step.options, **found))
    return replace(graph, steps=steps, problems=(*graph.problems, *problems)) if tables else graph


def _options(name: str, table: Mapping[str, Json], config: str) -> tuple[dict[str, Any], list[Problem]]:
    found: dict[str, Any] = {}  # Any: each field of Options has its own type, checked by its reader
    problems: list[Problem] = []
    for key, value in table.items():
        if key not in SCHEDULING:
            hint = nearest(key, SCHEDULING)
            what = f"unknown key `{key}` in [step.{name}]"
            problems.append(Problem(what, Place(config), mend=hint[:1].upper() + hint[1:]))
            continue
        try:
            found[key] = read_option(key, value)
        except ValueError as error:
            what = f"`{key}` in [step.{name}] is {value!r}"
            problems.append(Problem(what, Place(config), mend=f"Give {error}."))
    return found, problems
