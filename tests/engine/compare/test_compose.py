"""Files that are A's but for some definitions."""

import pytest

from instep.engine.compare.compose import NotComposable, compose, merged, statements

OLD = """\"\"\"Doc.\"\"\"
from __future__ import annotations
import math
from helpers import one

LIMIT = 1
TABLE = {}
TABLE["a"] = 1

@decorated
def f(x):
    return x + LIMIT

def g(x):
    return x  # as it was
"""
NEW = """\"\"\"Doc.\"\"\"
from __future__ import annotations
import math, json
from helpers import one, two

LIMIT = 2
TABLE = {}
TABLE["a"] = 2

@decorated
def f(x):
    return two(x) + LIMIT

def h(x):
    return x

def g(x):
    return -h(x)
"""


def defined(source):
    space = {"decorated": lambda f: f}
    text = source.decode().replace("from helpers import two", "two = lambda x: 100")
    text = text.replace("from helpers import one", "one = 1")
    exec(compile(text, "m", "exec"), space)
    return space


def test_nothing_taken_does_what_a_did_and_all_taken_what_b_does():
    names = {name for one in statements(NEW) for name in one.names}
    a, b = defined(merged(OLD, NEW, ())), defined(merged(OLD, NEW, names))
    assert (a["f"](1), a["g"](1), a["LIMIT"], a["TABLE"]) == (2, 1, 1, {"a": 1})
    assert (b["f"](1), b["g"](1), b["LIMIT"], b["TABLE"]) == (102, -1, 2, {"a": 2})


@pytest.mark.parametrize(
    ("taken", "f", "g", "limit", "table"),
    [(["f"], 101, 1, 1, 1), (["g"], 2, -1, 1, 1), (["LIMIT"], 3, 1, 2, 1), (["TABLE", "g"], 2, -1, 1, 2)],
)
def test_definitions_are_taken_one_by_one(taken, f, g, limit, table):
    found = defined(merged(OLD, NEW, taken))
    assert (found["f"](1), found["g"](1), found["LIMIT"], found["TABLE"]["a"]) == (f, g, limit, table)


def test_what_was_removed_stays_and_statements_on_one_line_are_told_apart():
    found = defined(merged("a = 1; b = 2\ndef gone(): return 3\n", "a = 4; b = 5\n", ["b"]))
    assert (found["a"], found["b"], found["gone"]()) == (1, 5, 3)


def test_files_of_one_side_are_kept_and_others_go_by_their_names():
    a = {"m.py": b"x = 1\ny = 1\n", "a.py": b"z = 1\n", "d.json": b"1"}
    b = {"m.py": b"x = 2\ny = 2\n", "b.py": b"w = 1\n", "d.json": b"2"}
    found = compose(a, b, {"m.py": ["y"]})
    assert set(found) == {"m.py", "a.py", "b.py", "d.json"}
    assert found["m.py"] == b"x = 1\n\ny = 2\n" and found["d.json"] == b"1"
    assert compose(a, b, {}, whole=["d.json", "m.py"])["m.py"] == b["m.py"]
    with pytest.raises(NotComposable):
        compose({"m.py": b"x = ("}, b, {})
