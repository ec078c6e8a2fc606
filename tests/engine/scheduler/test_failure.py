"""A failure says where, why and with what, in the user's own code, whatever the exception is like."""

import pytest

from instep.engine.scheduler.failure import is_secret, summarise


def test_a_failure_has_the_users_frames_with_lines_and_locals(bench):
    bench.write({
        "steps/helper.py": "def apply(function, value):\n    return function(value)",
        "steps/work.py": """
            import json, helper
            def parse(text):
                size = len(text)
                return json.loads(text)
            def work(text, *, depth=3):
                return helper.apply(parse, text)
        """,
    })  # fmt: skip
    failure = bench.failure(params={"text": "{", "depth": 3})
    assert [(frame.path, frame.line, frame.function, frame.source) for frame in failure.frames] == [
        ("steps/work.py", 7, "work", "return helper.apply(parse, text)"),
        ("steps/helper.py", 2, "apply", "return function(value)"),
        ("steps/work.py", 5, "parse", "return json.loads(text)"),
    ]
    assert failure.frames[-1].locals == {"text": "'{'", "size": "1"}
    assert failure.frames[0].locals == {}
    assert failure.title.startswith("JSONDecodeError: Expecting property name")
    assert failure.arguments == {"text": "'{'", "depth": "3"}
    assert "… 3 frames, the last: json/decoder.py" in failure.traceback
    assert str(failure.problem()).startswith("steps/work.py:5: JSONDecodeError")


def test_causes_are_told(bench):
    bench.step("""
        def work():
            try:
                {}["a"]
            except KeyError as error:
                raise ValueError("bad") from error
    """)
    failure = bench.failure()
    assert failure.title == "ValueError: bad"
    assert failure.message == "caused by KeyError: 'a'"
    assert "direct cause" in failure.traceback


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ("class E(Exception):\n    def __init__(self, a, b): super().__init__(a)\nraise E(1, 2)", "work.<locals>.E: 1"),
        (
            "class E(Exception):\n    def __str__(self): raise KeyError\nraise E",
            "work.<locals>.E: <its message cannot be shown: __str__ raised KeyError>",
        ),
        ("raise SystemExit(3)", "called sys.exit(3)"),
        ("import sys; sys.exit()", "called sys.exit()"),
        ("raise MemoryError", "MemoryError"),
        ("def f(): return f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("raise ExceptionGroup('many', [ValueError('a')])", "ExceptionGroup: many (1 sub-exception)"),
        ("raise BaseException('x')", "BaseException: x"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("assert 1 == 2, 'no'", "AssertionError: no"),
    ],
)
def test_odd_exceptions(bench, body, title):
    bench.step("def work():\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    assert bench.failure().title == title


@pytest.mark.parametrize(
    ("source", "title", "mend", "line"),
    [
        ("def work(:\n", "SyntaxError: ", "", 1),
        ("import no_such\ndef work(): ...", "ModuleNotFoundError: No module named 'no_such'", "pip install no_such", 1),
        ("def work():\n    import cv2", "ModuleNotFoundError: No module named 'cv2'", "pip install opencv-python", 2),
        ("X = 1 / 0\ndef work(): ...", "ZeroDivisionError: division by zero", "", 1),
        ("def other(): ...", "steps.work has no function work", "It must be a function at the top level of its module.",
         None),
        ("def work(): return input()", "EOFError: EOF when reading a line",
         "Make what is asked for a param: a run has no terminal.", 1),
        ("def work(*, a): ...", "TypeError: work() missing 1 required keyword-only argument: 'a'", "", None),
        ("x = (\n", "SyntaxError: ", "", 1),
    ],
)  # fmt: skip
def test_modules_that_cannot_be_imported_and_functions_that_cannot_be_called(bench, source, title, mend, line):
    bench.step(source)
    failure = bench.failure()
    assert failure.title.startswith(title)
    assert failure.mend == mend
    assert (failure.frames[-1].line if failure.frames else None) == line


def test_a_project_file_hidden_by_the_standard_library_is_named(bench):
    bench.write(
        {"steps/statistics.py": "def mine(): ...", "steps/work.py": "from statistics import mine\ndef work(): ..."}
    )
    assert "hides a project file" in bench.failure().mend


def test_locals_are_short_and_keep_secrets(bench):
    bench.step("""
        class Evil:
            def __repr__(self): raise RuntimeError
        def work():
            api_key, password, tokenizer, n_keys, monkey = "abc", b"def", "fine", 3, "ape"
            evil, text, numbers, many = Evil(), "x" * 1000, list(range(5)), {i: i for i in range(1234)}
            raise ValueError
    """)
    shown = bench.failure().frames[-1].locals
    assert (shown["api_key"], shown["password"], shown["n_keys"]) == ("•••", "•••", "3")
    assert (shown["tokenizer"], shown["monkey"]) == ("'fine'", "'ape'")
    assert (shown["numbers"], shown["many"]) == ("[0, 1, 2, 3, 4]", "dict of 1,234")
    assert shown["evil"].startswith("<")
    assert all(len(text) <= 120 for text in shown.values())


def test_many_locals_are_cut_to_twelve(bench):
    names = [f"v{number}" for number in range(40)]
    bench.step("def work():\n" + "".join(f"    {name} = 1\n" for name in names) + "    raise ValueError")
    shown = list(bench.failure().frames[-1].locals)
    assert shown == [*names[:4], *names[-8:]]


def test_tables_and_arrays_are_shown_by_their_shape():
    import numpy as np
    import pandas as pd
    import polars as pl

    assert summarise(pl.DataFrame({"a": range(1234), "b": range(1234)})) == "DataFrame 1,234 × 2"
    assert summarise(pd.DataFrame({"a": [1]})) == "DataFrame 1 × 1"
    assert summarise(np.zeros((3, 4))) == "ndarray 3 × 4 float64"
    assert summarise(np.float64(1.5)) == "float64 1.5"
    assert summarise([np.zeros(3)]) == "[ndarray 3 float64]"
    assert summarise(object()) == "<object object>"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("API_KEY", True),
        ("apiKey", True),
        ("db_password", True),
        ("monkey", False),
        ("tokens", True),
        ("keyboard", False),
    ],
)
def test_secret_names(name, secret):
    assert is_secret(name) is secret


def test_nothing_of_a_failure_needs_the_users_classes_to_be_read(bench):
    import pickle
    import pickletools

    bench.step("class E(Exception): ...\ndef work(): raise E(E())")
    data = pickle.dumps(bench.run())
    assert not [arg for op, arg, _ in pickletools.genops(data) if isinstance(arg, str) and arg.startswith("steps.")]
