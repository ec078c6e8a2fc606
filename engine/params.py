"""The effective params of every step: default < `[params]` < `[params.STEP]` < a variant < `--set`."""

import tomllib
from collections.abc import Iterable, Mapping
from typing import cast

from .errors import Place, Problem, nearest
from .graph import Graph, Param
from .ids import Json, StepName
from .project import Project

Overrides = Mapping[str, Json]
"""`step.param` or `param` (every step that has it) → value."""


def parse_set(text: str) -> tuple[str, Json]:
    """`model.rate=0.05` → ("model.rate", 0.05). A value is TOML; what is not is taken as a text. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError(f"`{text}` is not of the form NAME=VALUE")
    try:
        return name.strip(), cast("Json", tomllib.loads(f"value = {value.strip()}")["value"])
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def resolve(
    project: Project, graph: Graph, overrides: Overrides, variant: str = ""
) -> tuple[Mapping[StepName, Mapping[str, Json]], tuple[Problem, ...]]:
    """The params of every step, and every name or type that does not fit."""
    problems: list[Problem] = []
    layers = [(project.config, _flat(project.params))]
    if variant:
        if variant not in project.variants:
            problems.append(
                Problem(f"no variant `{variant}`", Place(project.config), mend=nearest(variant, project.variants))
            )
        layers.append((f"variant {variant}", _flat(project.variants.get(variant, {}))))
    layers.append(("--set", dict(overrides)))
    values: dict[StepName, dict[str, Json]] = {
        name: {one.name: one.default for one in step.params if one.known} for name, step in graph.steps.items()
    }
    for source, layer in layers:
        # General names first, so that a step's own value wins within one layer.
        for name, value in sorted(layer.items(), key=lambda pair: "." in pair[0]):
            problems += _apply(graph, values, source, name, value)
    return values, tuple(problems)


def _flat(table: Mapping[str, Json]) -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat


def _apply(
    graph: Graph, values: Mapping[StepName, dict[str, Json]], source: str, name: str, value: Json
) -> list[Problem]:
    step_name, dot, param_name = name.rpartition(".")
    steps = [step for step in graph.steps.values() if not dot or step.name == step_name]
    hits = [(step, param) for step in steps for param in step.params if param.name == param_name]
    if not hits:
        # A step that a mistake elsewhere took out of the graph may still have params in the configuration.
        return [] if graph.problems and source != "--set" else [_unknown(graph, source, step_name, param_name)]
    problems: list[Problem] = []
    for step, param in hits:
        fitted, problem = _fit(param, value, f"{step.name}.{param.name}", source)
        if problem is not None:
            problems.append(problem)
        else:
            values[step.name][param.name] = fitted
    return problems


def _unknown(graph: Graph, source: str, step: str, param: str) -> Problem:
    where = Place(source) if source.endswith(".toml") else None
    lead = "" if where else f"{source}: "
    if step and step not in graph.steps:
        return Problem(f"{lead}no step `{step}`", where, mend=_sentence(nearest(step, graph.steps)))
    owners = [graph.steps[StepName(step)]] if step else graph.steps.values()
    known: Iterable[str] = {one.name for owner in owners for one in owner.params}
    subject = f"step `{step}` has" if step else "no step has"
    what = f"{lead}{subject} no param `{param}`" if step else f"{lead}{subject} a param `{param}`"
    return Problem(what, where, mend=_sentence(nearest(param, known)))


def _fit(param: Param, value: Json, name: str, source: str) -> tuple[Json, Problem | None]:
    """`value` as the type of the default: an int where a float is the default becomes one; nothing else is guessed."""
    default = param.default
    if not param.known or default is None or value is None:
        return value, None
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value), None
    if type(value) is type(default):
        return value, None
    wanted, given = type(default).__name__, type(value).__name__
    what = f"{source}: `{name}` is {value!r}, {_article(given)}; its default {default!r} is {_article(wanted)}"
    return default, Problem(what, param.place, mend=f"Give {_article(wanted)}, or change the default's type.")


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
