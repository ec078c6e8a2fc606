"""A worker calls a step as it was declared, keeps what it returns, and leaves the process as it found it."""

import builtins
import json
import os
import random
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from instep.engine.digest import digest
from instep.engine.scheduler.assignment import FileValue, Item
from instep.engine.scheduler.results import WrongResult, named_outputs
from instep.engine.snapshots.formats import load, load_item, store, store_items


def stored(bench, value):
    return store(value, bench.objects).artifact


def test_arguments_arrive_in_order_and_params_by_name(bench):
    bench.write({"a.csv": "", "b.csv": ""})
    bench.step("""
        def work(up, csv, many, *, depth=1, rate=0.5):
            return [up, type(csv).__name__, [p.name for p in many], depth, rate]
    """)
    files = {
        "csv": FileValue((str(bench.root / "a.csv"),), False),
        "many": FileValue((str(bench.root / "a.csv"), str(bench.root / "b.csv")), True),
    }
    assert bench.value(
        arguments=("up", "csv", "many"), inputs={"up": stored(bench, {"x": 1})}, files=files, params={"depth": 3}
    ) == [{"x": 1}, "PosixPath", ["a.csv", "b.csv"], 3, 0.5]


def test_items_get_their_own_values_and_one_that_fails_does_not_lose_the_others(bench):
    refs, _ = store_items([3, 0, 5], bench.objects)
    items = tuple(Item(index, digest("k", index), index, {"n": ref}) for index, ref in enumerate(refs))
    bench.step("""
        from instep import log
        def work(n):
            print("item", n)
            log(n=n)
            return 15 // n
    """)
    outcome = bench.run(items=items, arguments=("n",))
    results = [one.failure.title if one.failure else int(one.outputs[""].inline) for one in outcome.items]
    assert results == [
        5, "ZeroDivisionError: integer division or modulo by zero", 3,
    ]  # fmt: skip
    assert outcome.items[1].failure.arguments == {"n": "0"}
    assert [(one["i"], one["m"]) for one in bench.records()] == [(0, "item 3"), (1, "item 0"), (2, "item 5")]
    assert [one["x"] for one in bench.records("metric")] == [0, 0, 0]


def test_an_item_cannot_change_what_the_next_one_gets(bench):
    refs, _ = store_items([1, 2], bench.objects)
    items = tuple(Item(index, digest("k", index), index, {"n": ref}) for index, ref in enumerate(refs))
    bench.step("""
        def work(n, config, table, frame, array, *, options):
            config["seen"].append(n); frame["b"] = n; array[0] = n
            table.insert_column(0, table["a"].alias(f"x{n}"))
            options.append(n)
            return [config["seen"], table.width, len(frame.columns), int(array.sum()), options]
    """)
    import pandas as pd

    inputs = {
        "config": {"seen": []}, "table": pl.DataFrame({"a": [1]}),
        "frame": pd.DataFrame({"a": [1]}), "array": np.zeros(2),
    }  # fmt: skip
    outcome = bench.run(
        items=items, arguments=("n", *inputs), inputs={name: stored(bench, value) for name, value in inputs.items()},
        params={"options": []},
    )  # fmt: skip
    assert [load_item(one.outputs[""], bench.objects) for one in outcome.items] == [
        [[1], 2, 2, 1, [1]], [[2], 2, 2, 2, [2]],
    ]  # fmt: skip


def test_several_outputs_are_stored_by_name(bench):
    bench.step("def work(): return {'train': [1], 'test': [2]}")
    outputs = bench.run(outputs=("train", "test")).items[0].outputs
    assert {name: load(one, bench.objects) for name, one in outputs.items()} == {"train": [1], "test": [2]}


@pytest.mark.parametrize(
    ("value", "names", "title"),
    [
        ((1, 2, 3), ("train", "test"), "returned 3 values for 2 outputs (train, test)"),
        (None, ("train", "test"), "returned nothing for 2 outputs (train, test)"),
        (5, ("train", "test"), "returned one int for 2 outputs (train, test)"),
        ({"a": 1}, ("train", "test"), "returned a dict with a for 2 outputs (train, test)"),
        ((n for n in ()), (), "returned a generator, which can be read once and cannot be stored"),
        (map(str, ()), (), "returned a map, which can be read once and cannot be stored"),
        ((1, zip()), ("a", "b"), "returned a zip, which can be read once and cannot be stored"),
    ],
)
def test_results_that_are_not_what_was_declared(value, names, title):
    with pytest.raises(WrongResult) as error:
        named_outputs(value, names)
    assert error.value.failure.title == title
    assert error.value.failure.mend


@pytest.mark.parametrize(
    ("value", "names", "outputs"),
    [
        ({"a": 1}, (), {"": {"a": 1}}),
        ([1, 2], ("a", "b"), {"a": 1, "b": 2}),
        (5, ("only",), {"only": 5}),
        ({"only": 5}, ("only",), {"only": 5}),
        ({"x": 5}, ("only",), {"only": {"x": 5}}),
        ([1, 2], ("only",), {"only": [1, 2]}),
    ],
)
def test_results_by_name(value, names, outputs):
    assert named_outputs(value, names) == outputs


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("def work(): yield 1", "returned a generator, which can be read once and cannot be stored"),
        ("async def work(): return 1", "returned a coroutine, which has not run"),
    ],
)
def test_generators_and_coroutines_are_refused(bench, source, title):
    bench.step(source)
    failure = bench.failure()
    assert (failure.kind, failure.title) == ("output", title)
    assert failure.mend


def test_an_output_that_cannot_be_stored_fails_its_step_only(bench):
    bench.step("import threading\ndef work(): return threading.Lock()")
    assert bench.failure().kind == "output"


def test_random_generators_are_seeded_from_the_item(bench):
    bench.step("""
        import random
        import numpy as np
        def work(): return [random.random(), float(np.random.random())]
    """)
    one = (Item(None, digest("a"), 1),)
    two = (Item(None, digest("a"), 2),)
    assert bench.value(items=one) == bench.value(items=one) != bench.value(items=two)


def test_the_hosts_generators_go_on_as_if_nothing_had_been(bench):
    random.seed(1)
    np.random.seed(1)
    expected = (random.random(), np.random.random())
    random.seed(1)
    np.random.seed(1)
    bench.step("import random\ndef work(): random.seed(5); return 1")
    bench.run()
    assert (random.random(), np.random.random()) == expected


def test_a_library_imported_in_the_step_is_seeded_then(bench):
    bench.step("""
        import sys
        def work():
            import numpy.random
            return float(numpy.random.random())
    """)
    from instep.engine.scheduler.isolated import run_isolated

    values = {run_isolated(bench.assign()).items[0].outputs[""].inline for _ in range(2)}
    assert len(values) == 1


def test_surroundings_are_put_back(bench):
    cwd, env, path, limit = Path.cwd(), dict(os.environ), list(sys.path), sys.getrecursionlimit()
    bench.step("""
        import os, sys
        def work():
            here = os.getcwd()
            os.chdir("/"); os.environ["NEW"] = "1"; del os.environ["PATH"]
            sys.path.insert(0, "/x"); sys.setrecursionlimit(5000); sys.argv.append("x")
            return [here, os.environ.get("GIVEN"), os.environ.get("HOME")]
    """)
    assert bench.value(env={"GIVEN": "yes", "HOME": None}) == [str(bench.root), "yes", None]
    assert (Path.cwd(), dict(os.environ), list(sys.path), sys.getrecursionlimit()) == (cwd, env, path, limit)


def test_what_was_attached_and_stored_is_listed(bench):
    bench.step("""
        from instep import log
        import polars as pl
        def work():
            log.table("t", pl.DataFrame({"a": [1]}))
            return {1, 2}
    """)
    outcome = bench.run()
    assert outcome.objects
    assert all(bench.objects.has(one.content_hash, one.format) for one in outcome.objects)


def test_classes_of_the_project_travel_between_steps(bench):
    bench.write({
        "steps/helper.py": "class Model:\n    def __init__(self, n): self.n = n",
        "steps/work.py": """
            from helper import Model
            def make(): return Model(3)
            def use(model): return [model.n, type(model) is Model]
        """,
    })  # fmt: skip
    model = bench.run("make").items[0].outputs[""]
    assert bench.value("use", arguments=("model",), inputs={"model": model}) == [3, True]


def test_a_step_finds_authoring_in_place(bench):
    bench.step("""
        from instep import Each, File, log, progress, step
        @step(outputs=["a", "b"])
        def work(): return list(progress([1, 2]))
    """)
    outcome = bench.run(outputs=("a", "b"))
    assert [one.inline for one in outcome.items[0].outputs.values()] == ["1", "2"]


def test_what_a_step_replaces_of_python_is_put_back(bench):
    before = (len, json.dumps, os.getpid)
    bench.step("""
        import builtins, json, os
        def work():
            builtins.len = lambda _: 7
            json.dumps = os.getpid = None
            builtins.of_a_library = True
            return 1
        def look(): return [len("ab"), json.dumps(1), os.getpid() > 0]
    """)
    assert bench.value() == 1
    assert (len, json.dumps, os.getpid) == before
    assert bench.value("look") == [2, "1", True]
    assert vars(builtins).pop("of_a_library")


def test_a_forked_child_stores_and_answers_nothing(bench):
    bench.step("""
        import os, sys
        def work():
            codes = []
            for how in ("return", "raise", "exit", "text"):
                child = os.fork()
                if not child:
                    print(how)
                    if how == "return": return how
                    if how == "raise": raise ValueError("of the child")
                    sys.exit(3 if how == "exit" else "bye")
                codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            return codes
    """)
    from instep.engine.scheduler.isolated import run_isolated

    assert bench.value_of(run_isolated(bench.assign())) == [0, 1, 3, 1]
    lines = bench.lines()
    assert [lines.count(one) for one in ("return", "raise", "exit", "bye", "ValueError: of the child")] == [1] * 5
    assert len(bench.records("start")) == len(bench.records("end")) == 1
