"""Definitions are compared by what they do: moved and re-formatted is equal, renamed is recognised."""

import pytest

from instep.engine.compare.code import code_changes, compare_code
from instep.engine.compare.facts import Definition
from instep.engine.compare.lines import counts, hunks, side_by_side, unified_text
from instep.engine.source_index import index_source


def definitions(module: str, source: str) -> dict[str, Definition]:
    index = index_source(source.encode(), False)
    return {
        f"{module}:{name}": Definition(
            f"{module}:{name}", one.kind, one.form.digest, f"{module}.py", one.line, one.source, ("s",)
        )
        for name, one in index.units.items()
    }


BASE = """
LIMIT = 3

def scale(x, rate):
    \"\"\"Scales.\"\"\"
    y = x * rate
    return y

class Model:
    depth = 2
"""


def changes(before: dict[str, Definition], after: dict[str, Definition]):
    found, equal = code_changes(before, after)
    return [(one.change, one.id) for one in found], equal


def test_what_is_only_formatted_otherwise_is_equal():
    other = BASE.replace("x * rate", "(x*rate)  # a comment").replace("LIMIT = 3", "\n\nLIMIT   =  3")
    other = other.replace("Scales.", "Another docstring.")
    assert changes(definitions("m", BASE), definitions("m", other)) == ([], 3)


def test_a_function_that_moved_to_another_file_is_equal_and_so_is_the_import_that_follows_it():
    before = definitions("m", BASE)
    after = {name: one for name, one in before.items() if name != "m:scale"}
    after["n:scale"] = definitions("n", BASE)["n:scale"]
    one = before["m:scale"]
    before["p:scale"] = Definition("p:scale", "constant", "1", "p.py", 1, "from m import scale")
    after["p:scale"] = Definition("p:scale", "constant", "2", "p.py", 1, "from n import scale")
    assert changes(before, after) == ([], 3)
    assert one.digest == after["n:scale"].digest


def test_a_class_that_moved_is_told_because_its_pickles_look_for_it_there():
    before = definitions("m", BASE)
    after = {name: one for name, one in before.items() if name != "m:Model"}
    after["n:Model"] = definitions("n", BASE)["n:Model"]
    assert changes(before, after) == ([("moved", "n:Model")], 2)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("x * rate", "x * rate + 1", [("changed", "m:scale")]),
        ("LIMIT = 3", "LIMIT = 3.0", [("changed", "m:LIMIT")]),
        ("LIMIT = 3", "LIMIT = True", [("changed", "m:LIMIT")]),
        ("def scale", "def scaled", [("renamed", "m:scaled")]),
        ("LIMIT = 3\n", "", [("removed", "m:LIMIT")]),
        ("LIMIT = 3\n", "LIMIT = 3\nMORE = 4\n", [("added", "m:MORE")]),
    ],
)
def test_what_changed_is_named_once(old, new, wanted):
    found, equal = changes(definitions("m", BASE), definitions("m", BASE.replace(old, new)))
    assert found == wanted
    assert equal == 3 - (wanted[0][0] != "added")


def test_a_renamed_function_that_calls_itself_is_recognised():
    source = "def count(n):\n    return 0 if not n else 1 + count(n - 1)\n"
    found, _ = code_changes(definitions("m", source), definitions("m", source.replace("count", "tally")))
    assert [(one.change, one.before.id, one.after.id) for one in found] == [("renamed", "m:count", "m:tally")]


def test_a_long_function_that_was_renamed_and_edited_is_recognised_a_short_one_is_not():
    long = "def fit(x):\n" + "".join(f"    a{i} = x + {i}\n" for i in range(12)) + "    return a1\n"
    edited = long.replace("def fit", "def train").replace("return a1", "return a2")
    assert changes(definitions("m", long), definitions("m", edited)) == ([("renamed", "m:train")], 0)
    short = "def f(x):\n    return x\n"
    other = "def g(x):\n    return -x\n"
    assert changes(definitions("m", short), definitions("m", other))[0] == [("added", "m:g"), ("removed", "m:f")]


def test_a_difference_has_places_counts_and_the_diff():
    (one,) = compare_code(definitions("m", BASE), definitions("m", "\n" + BASE.replace("x * rate", "x"))).differences
    assert (one.kind, one.subject, one.before, one.after) == ("code", "m:scale", "m.py:4", "m.py:5")
    assert (one.detail["added"], one.detail["removed"], one.detail["steps"]) == (1, 1, ["s"])
    assert one.detail["diff"][0] == "@@ -4,4 +5,4 @@"
    assert "-    y = x * rate" in one.detail["diff"] and "+    y = x" in one.detail["diff"]


def test_lines_are_aligned_with_their_numbers_and_the_characters_that_changed():
    rows = side_by_side("a\nb = 1\nc\n", "a\nb = 2\nc\nd\n", 10, 20)
    assert [(row.left and row.left.number, row.right and row.right.number) for row in rows] == [
        (10, 20),
        (11, 21),
        (12, 22),
        (None, 23),
    ]
    assert rows[1].left.changed == ((4, 5),) and rows[1].right.mark == "+"
    assert counts(rows) == (2, 1)


def test_hunks_keep_what_is_near_and_leave_out_what_is_far():
    before = "\n".join(map(str, range(40)))
    after = before.replace("\n10\n", "\nten\n").replace("\n13\n", "\nthirteen\n").replace("\n35\n", "\n")
    found = hunks(side_by_side(before, after), context=2)
    assert [len(one.rows) for one in found] == [8, 5]
    assert unified_text("x", "x") == []
    marks = "".join(line.mark for line in found[0].unified())
    assert marks == "==-+==-+=="


def test_every_line_of_both_texts_is_in_the_rows_in_order():
    before, after = "a\nb\nc\nd\ne", "a\nX\nc\nY\nZ\ne"
    rows = side_by_side(before, after)
    assert [row.left.text for row in rows if row.left] == before.splitlines()
    assert [row.right.text for row in rows if row.right] == after.splitlines()
