"""Which value a param has, and what is said of one that does not fit."""

from pathlib import Path

import pytest

from instep.engine.errors import Place
from instep.engine.graph import Graph, Param, Step
from instep.engine.ids import Json, StepName
from instep.engine.params import parse_set, resolve
from instep.engine.project import Project


def graph() -> Graph:
    place = Place("pipeline.py", 3)
    model = Step(
        StepName("model"),
        "pipeline",
        place,
        params=(Param("rate", 0.1, place=place), Param("depth", 6, place=place), Param("seed", 0, place=place)),
    )
    split = Step(StepName("split"), "pipeline", place, params=(Param("seed", 0), Param("shuffle", default=True)))
    return Graph({model.name: model, split.name: split})


def project(params: dict[str, Json] | None = None) -> Project:
    return Project(Path("/p"), "p", params=params or {}, variants={"big": {"model": {"depth": 12}}})


def test_the_strongest_source_wins() -> None:
    table: dict[str, Json] = {"seed": 7, "model": {"rate": 0.05}}
    values, problems = resolve(project(table), graph(), {"model.rate": 0.01}, "big")
    assert not problems
    assert values == {"model": {"rate": 0.01, "depth": 12, "seed": 7}, "split": {"seed": 7, "shuffle": True}}


def test_a_steps_own_value_beats_the_general_one_whatever_their_order() -> None:
    values, _ = resolve(project({"model": {"seed": 1}, "seed": 7}), graph(), {})
    assert (values[StepName("model")]["seed"], values[StepName("split")]["seed"]) == (1, 7)


def test_a_whole_number_for_a_float_becomes_one() -> None:
    values, problems = resolve(project(), graph(), {"model.rate": 1})
    assert not problems
    assert repr(values[StepName("model")]["rate"]) == "1.0"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("model.depth", "six", "--set: `model.depth` is 'six', a str; its default 6 is an int"),
        ("model.depth", 6.5, "--set: `model.depth` is 6.5, a float; its default 6 is an int"),
        ("split.shuffle", 1, "--set: `split.shuffle` is 1, an int; its default True is a bool"),
        ("model.dept", 6, "--set: step `model` has no param `dept`"),
        ("modl.depth", 6, "--set: no step `modl`"),
        ("rat", 6, "--set: no step has a param `rat`"),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: Json, told: str) -> None:
    _, problems = resolve(project(), graph(), {name: value})
    assert [one.what for one in problems] == [told]
    assert problems[0].mend


def test_an_unknown_name_in_the_file_points_to_the_file() -> None:
    _, problems = resolve(project({"rte": 1}), graph(), {})
    assert (problems[0].place, problems[0].mend) == (Place("instep.toml"), "Did you mean `rate`?")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=0.5", 0.5),
        ("a=true", True),
        ("a=[1, 2]", [1, 2]),
        ('a="x y"', "x y"),
        ("a=x y", "x y"),
        ("a=", ""),
        ("a=b=c", "b=c"),
    ],
)
def test_a_value_is_toml_or_else_a_text(text: str, value: Json) -> None:
    assert parse_set(text) == ("a", value)


def test_a_set_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="not of the form"):
        parse_set("rate")
