"""What is said of a change: kind, subject, place, before → after, nearest first."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from instep.engine.digest import digest_bytes
from instep.engine.errors import Place
from instep.engine.fingerprint import Fingerprint, Unit, UnitKind
from instep.engine.ids import Digest, StepName
from instep.engine.keys import Determinants
from instep.engine.reasons import Reason, difference


def unit(name: str, source: str, kind: UnitKind = "function", line: int = 10) -> Unit:
    return Unit(
        f"pipeline:{name}", kind, digest_bytes(source.encode()), Place("pipeline.py", line), source, ("model", name)
    )


MODEL = unit("model", "def model(train):\n    return fit(train, 1)")
FIT = unit("fit", "def fit(train, n):\n    return n")
LIMIT = unit("LIMIT", "LIMIT = 3", "constant", 4)


def determined(*units: Unit, **changes: object) -> Determinants:
    now = Determinants(
        step=StepName("model"),
        fingerprint=Fingerprint(digest_bytes(repr(units).encode()), units),
        params={"rate": 0.1, "depth": 6},
        inputs={"train": Digest("a" * 32)},
        origin={"train": "split"},
        files={"csv": (("data/a.csv", Digest("1" * 32)),)},
        env={"MODE": None},
        packages={"polars": "2.1.0"},
        python="3.11",
        version="",
        outputs=(),
    )
    return replace(now, **changes)  # type: ignore[arg-type]


BEFORE = determined(MODEL, FIT, LIMIT)
SOURCES: Mapping[str, str] = {one.digest: one.source for one in (MODEL, FIT, LIMIT)}


def told(now: Determinants) -> list[Reason]:
    return list(difference(BEFORE.to_json(), now, SOURCES.get))


def test_nothing_changed_gives_no_reason() -> None:
    assert told(BEFORE) == []


def test_an_edited_helper_names_the_line_and_the_way_to_it() -> None:
    edited = unit("fit", "def fit(train, n):\n    return n + 1")
    assert told(determined(MODEL, edited, LIMIT)) == [
        Reason("helper", "fit", "pipeline.py:11", "return n", "return n + 1", ("model", "fit"))
    ]


def test_the_steps_own_code_comes_first_then_params_then_helpers() -> None:
    own = unit("model", "def model(train):\n    return fit(train, 2)")
    edited = unit("fit", "def fit(train, n):\n    return -n")
    now = determined(own, edited, LIMIT, params={"rate": 0.2, "depth": 6})
    assert [(one.kind, one.subject) for one in told(now)] == [("code", "model"), ("param", "rate"), ("helper", "fit")]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"params": {"rate": 0.05, "depth": 6}}, "param rate: 0.1 → 0.05"),
        ({"params": {"rate": 0.1, "depth": 6.0}}, "param depth: 6 → 6.0"),
        ({"params": {"rate": 0.1}}, "param depth removed"),
        ({"inputs": {"train": Digest("b" * 32)}}, "new output of split"),
        ({"env": {"MODE": Digest("c" * 32)}}, "env MODE: not set → set (cccccc)"),
        ({"packages": {"polars": "2.2.0"}}, "package polars: 2.1.0 → 2.2.0"),
        ({"python": "3.12"}, "Python: 3.11 → 3.12"),
        ({"files": {"csv": (("data/a.csv", Digest("2" * 32)),)}}, "file data/a.csv: 11111111 → 22222222"),
        ({"files": {"csv": ()}}, "file data/a.csv removed"),
        ({"version": "2"}, "version: '' → '2'"),
    ],
)
def test_every_determinant_says_before_and_after(changes: dict[str, object], text: str) -> None:
    assert [str(one) for one in told(determined(MODEL, FIT, LIMIT, **changes))] == [text]


def test_a_constant_shows_its_source_before_and_after() -> None:
    edited = unit("LIMIT", "LIMIT = 4", "constant", 4)
    assert [str(one) for one in told(determined(MODEL, FIT, edited))] == [
        "constant LIMIT: LIMIT = 3 → LIMIT = 4 (pipeline.py:4)"
    ]


def test_a_definition_that_came_or_went_is_named() -> None:
    new = unit("scale", "def scale(x):\n    return x")
    reasons = told(determined(MODEL, LIMIT, new))
    assert [(one.kind, one.subject, one.before, one.after) for one in reasons] == [
        ("helper", "scale", None, "def scale(x):"),
        ("helper", "fit", "def fit(train, n):", None),
    ]


def test_a_long_value_is_cut() -> None:
    reasons = told(determined(MODEL, FIT, LIMIT, params={"rate": "x" * 500, "depth": 6}))
    assert len(reasons[0].after or "") <= 60


def test_a_reason_survives_json() -> None:
    reason = Reason("helper", "fit", "a.py:3", "x", "y", ("model", "fit"))
    assert Reason.from_json(reason.to_json()) == reason
