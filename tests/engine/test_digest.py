"""The one canonical digest: what must differ differs, what is equal is equal."""

import json
import subprocess
import sys
from itertools import islice, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.engine.digest import digest, digests_of_product

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def typed(value: object) -> object:
    """What two values must have in common to be the same: `1 == True` in Python, not here."""
    if isinstance(value, list):
        return ["list", *map(typed, value)]
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    return (type(value).__name__, repr(value))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1,), (1.0,)),
        ((1,), (True,)),
        ((0,), (False,)),
        ((0.0,), (-0.0,)),
        (("a", "bc"), ("ab", "c")),
        ((["a"], "b"), (["a", "b"],)),
        (("1",), (1,)),
        ((None,), ("",)),
        ((b"a",), ("a",)),
        (({"a": 1},), ([["a", 1]],)),
    ],
)
def test_what_could_collide_does_not(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert digest("test", *one) != digest("test", *other)


@given(VALUES, VALUES)
def test_digests_are_equal_exactly_when_values_are(one: object, other: object) -> None:
    assert (digest("test", one) == digest("test", other)) == (typed(one) == typed(other))


def test_the_order_of_a_mapping_does_not_count() -> None:
    assert digest("test", {"a": 1, "b": 2}) == digest("test", {"b": 2, "a": 1})


def test_the_schema_separates_uses() -> None:
    assert digest("one", 1) != digest("other", 1)


def test_what_is_no_plain_value_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot digest a set"):
        digest("test", {1, 2})  # type: ignore[arg-type]


def test_a_digest_is_the_same_in_every_process() -> None:
    code = "import sys,json; from instep.engine.digest import digest; print(digest('t', json.loads(sys.argv[1])))"
    value = {"b": [1, 2.5, None], "a": {"y": "ü", "x": True}}
    told = {
        subprocess.run(
            [sys.executable, "-c", code, json.dumps(value)],
            env={"PYTHONHASHSEED": seed},
            text=True,
            capture_output=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert told == {digest("t", value)}


@given(
    first=st.text(),
    lists=st.dictionaries(st.text(), st.lists(st.text(), max_size=4), min_size=1, max_size=3),
    count=st.integers(0, 70),
)
def test_the_digests_of_a_product_are_the_same_as_one_by_one(first: str, lists: dict, count: int) -> None:
    one_by_one = [
        digest("s/1", first, dict(zip(lists, combination, strict=True)))
        for combination in islice(product(*lists.values()), count)
    ]
    assert digests_of_product("s/1", first, list(lists), list(lists.values()), count) == one_by_one
