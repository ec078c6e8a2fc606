"""The examples are ordinary functions: called by hand, without any engine, they do what their READMEs say."""

import importlib.util
import inspect
import io
import itertools
import json
import pickle
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from instep import Each, File

EXAMPLES = Path(__file__).parents[2] / "examples"
Values = dict[str, object]


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two examples may have modules of one name, and bytecode must not land among files that ship."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = dict(sys.modules)
    for name in ("engine", "remote", "ide"):
        sys.modules.pop(name, None)
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(EXAMPLES)):
            del sys.modules[name]
    sys.modules.update({name: before[name] for name in ("engine", "remote", "ide") if name in before})


def run(example: str, params: Mapping[str, Mapping[str, object]], monkeypatch: pytest.MonkeyPatch) -> Values:
    """Every output of an example by name; `params` are stronger than its instep.toml."""
    root = EXAMPLES / example
    monkeypatch.chdir(root)
    sys.path.insert(0, str(root))
    config = tomllib.loads((root / "instep.toml").read_text())
    waiting, values = steps_of(root, config["project"]), Values()
    while waiting:
        ready = [name for name, step in waiting.items() if needs(step) <= values.keys()]
        assert ready, f"no step has what it needs: {sorted(waiting)}"
        for name in ready:
            step = waiting.pop(name)
            values |= outputs(name, step, call(step, values, keywords(name, step, config.get("params", {}), params)))
    return values


def steps_of(root: Path, project: Mapping[str, object]) -> dict[str, Callable[..., object]]:
    patterns = project.get("steps", ["pipeline.py", "steps/**/*.py"])
    modules = [load(path) for pattern in patterns for path in sorted(root.glob(pattern))]
    public = project.get("mark") == "public"
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
        if hasattr(value, "__instep__") or (public and not name.startswith("_"))
    }


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(step: Callable[..., object]) -> dict[str, object]:
    parameters = inspect.signature(step).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD}


def needs(step: Callable[..., object]) -> set[str]:
    found = arguments(step).items()
    return {one.step if isinstance(one, Each) else name for name, one in found if not isinstance(one, File)}


def keywords(name: str, step: Callable[..., object], *layers: Mapping[str, object]) -> Values:
    known = [one.name for one in inspect.signature(step).parameters.values() if one.kind is one.KEYWORD_ONLY]
    found = Values()
    for layer in layers:
        found |= {key: layer[key] for key in known if key in layer} | dict(layer.get(name, {}))
    assert found.keys() <= set(known), f"{name} has no such params: {found.keys() - set(known)}"
    return found


def call(step: Callable[..., object], values: Values, params: Values) -> object:
    def items(name: str, default: object) -> list[object]:
        if isinstance(default, Each):
            return list(values[default.step])
        return [Path(default) if isinstance(default, File) else values[name]]

    choices = itertools.product(*(items(name, default) for name, default in arguments(step).items()))
    results = [step(*chosen, **params) for chosen in choices]
    return results if any(isinstance(one, Each) for one in arguments(step).values()) else results[0]


def outputs(name: str, step: Callable[..., object], result: object) -> Values:
    names = getattr(step, "__instep__", {}).get("outputs", [])
    return dict(zip(names, result, strict=True)) if names else {name: result}


def png(figure: object) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def same(one: Values, two: Values) -> list[str]:
    """The outputs that differ. Figures are compared as drawn, the rest as pickled."""
    draw = {name: png if hasattr(value, "savefig") else pickle.dumps for name, value in one.items()}
    return [name for name in one if draw[name](one[name]) != draw[name](two[name])]


def test_flights_is_predicted_without_looking_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    values = run("flights", {"arrivals": {"sample": 20_000}, "model": {"rounds": 5}}, monkeypatch)

    assert len(values) >= 11
    assert values["flights"].shape == (336_776, 19)
    assert (len(values["weather"]), len(values["planes"])) == (26_115, 3_322)
    assert 0.66 < values["score"]["auc"] < 0.78
    assert 0 < values["score"]["warned"] < 0.5
    leaks = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    assert not leaks & set(values["features"].columns)
    assert values["train"]["departs"].max() < values["test"]["departs"].min()


def test_the_weather_a_flight_gets_is_an_hour_old(monkeypatch: pytest.MonkeyPatch) -> None:
    values = run("flights", {"arrivals": {"sample": 2_000}, "model": {"rounds": 1}}, monkeypatch)

    weather = values["weather"]
    flights = values["briefed"].gather_every(10)
    assert flights["temp"].null_count() < len(flights) / 10
    for flight in flights.iter_rows(named=True):
        asked = flight["departs"] - timedelta(hours=1)
        known = weather.filter(weather["observed"].is_between(asked - timedelta(hours=3), asked))
        seen = known.filter(known["origin"] == flight["origin"])
        assert flight["temp"] == (seen["temp"][-1] if len(seen) else None)


def test_flights_comes_out_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"arrivals": {"sample": 5_000}, "model": {"rounds": 2}}
    assert same(run("flights", small, monkeypatch), run("flights", small, monkeypatch)) == []


def test_countries_has_a_model_for_each_country_and_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    values = run("countries", {"countries": {"limit": 4}, "grid": {"size": 3}}, monkeypatch)

    assert len(values["forecast"]) == 4 * 3
    assert [(one["country"], one["lags"]) for one in values["forecast"][:4]] == [
        (values["countries"][place // 3]["name"], values["grid"][place % 3]["lags"]) for place in range(4)
    ]
    assert len(values["leaderboard"]) == 3
    assert 0 < values["score"]["error"] < 3


def test_countries_can_be_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    values = run("countries", {"countries": {"limit": 0}, "grid": {"size": 1}}, monkeypatch)

    assert len(values["countries"]) == len(values["forecast"]) == 202
    assert json.loads(json.dumps(values["countries"])) == values["countries"]


def test_the_whole_grid_has_a_hundred_settings_and_holds_the_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"countries": {"limit": 1}}
    small = run("countries", few, monkeypatch)["grid"]
    whole = run("countries", {**few, "grid": {"size": 100}}, monkeypatch)["grid"]

    assert len(whole) == 100
    assert [one for one in small if one not in whole] == []


def test_digits_are_read_by_a_project_with_its_own_engine_and_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    values = run("digits", {"model": {"epochs": 10}}, monkeypatch)

    assert values["score"]["accuracy"] > 0.94
    assert abs(values["score"]["packed_accuracy"] - values["score"]["accuracy"]) < 0.02
    assert type(values["model"]).__module__ == "engine"
    assert png(values["mistakes"]).startswith(b"\x89PNG")


def test_digits_comes_out_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {"model": {"epochs": 2}}
    assert same(run("digits", short, monkeypatch), run("digits", short, monkeypatch)) == []


def test_training_tells_how_it_goes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("digits", {"model": {"epochs": 3}}, monkeypatch)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch=1", "epoch=2", "epoch=3"]


def test_plain_functions_run_without_an_import_of_instep(monkeypatch: pytest.MonkeyPatch) -> None:
    values = run("plain", {}, monkeypatch)

    assert "instep" not in (EXAMPLES / "plain" / "cars.py").read_text()
    assert len(values["cars"]) == 392
    assert 0.85 < values["score"]["r2"] < 0.92


@pytest.mark.parametrize("example", ["countries", "digits", "flights", "plain"])
def test_a_readme_fits_on_one_screen(example: str) -> None:
    assert len((EXAMPLES / example / "README.md").read_text().splitlines()) <= 25


def test_the_line_that_the_demo_tells_to_edit_is_there() -> None:
    assert "WARN_FROM = 0.25 " in (EXAMPLES / "flights" / "steps" / "model.py").read_text()
