"""The project that faults are tried on, and what its steps must give.

Every result depends on `salt`, so that a new salt makes everything stale. A step that is executed writes a line into a
ledger outside of the project: what the program says is one thing, what was executed is another.
"""

from collections.abc import Mapping
from typing import Any

ITEMS = 16
STEPS = ("seed", "numbers", "square", "table", "blob", "train", "total")
MOST_LINES = len(STEPS) - 1 + ITEMS
"""Lines in the ledger when everything of one salt was executed once; the fan-out has a line an item."""

PIPELINE = '''
import os
import time
import polars as pl
from instep import Each, log, step

LEDGER = {ledger!r}
ITEMS = {items}


def note(step, salt, item="-"):
    """One write a line: nothing is torn, whoever is killed."""
    file = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{{step}} {{salt}} {{item}}\\n".encode())
    os.close(file)


@step
def seed(*, salt: int = 0):
    note("seed", salt)
    time.sleep(0.02)
    return {{"salt": salt, "word": f"{{salt:x}}" * 50}}


@step
def numbers(seed):
    note("numbers", seed["salt"])
    return [seed["salt"] * 100 + number for number in range(ITEMS)]


@step
def square(number=Each("numbers")):
    note("square", number // 100, number % 100)
    time.sleep(0.01)
    return number * number


@step
def table(seed):
    note("table", seed["salt"])
    return pl.DataFrame({{"a": range(seed["salt"], seed["salt"] + 3000)}}).with_columns(b=pl.col("a").cast(pl.String))


@step
def blob(table, seed):
    note("blob", seed["salt"])
    time.sleep(0.03)
    return "blob", seed["salt"], bytes(range(256)) * 400, frozenset([table["a"].sum()])


@step
def train(blob):
    note("train", blob[1])
    for epoch in range(10):
        print("epoch", epoch)
        log(loss=1 / (epoch + 1))
        time.sleep(0.02)
    return {{"loss": 0.1, "salt": blob[1]}}


@step
def total(square, train):
    note("total", train["salt"])
    return {{"sum": sum(square), "salt": train["salt"]}}
'''


def expected(salt: int) -> Mapping[str, Any]:
    """The value of every output that can be compared by `==`; tables are compared by their columns."""
    first = range(salt, salt + 3000)
    numbers = [salt * 100 + number for number in range(ITEMS)]
    return {
        "seed": {"salt": salt, "word": f"{salt:x}" * 50},
        "numbers": numbers,
        "square": [number * number for number in numbers],
        "table": {"a": list(first), "b": list(map(str, first))},
        "blob": ("blob", salt, bytes(range(256)) * 400, frozenset([sum(first)])),
        "train": {"loss": 0.1, "salt": salt},
        "total": {"sum": sum(number * number for number in numbers), "salt": salt},
    }


def plain(value: object) -> object:
    """A loaded output as `expected` has it."""
    if hasattr(value, "to_dict"):
        return value.to_dict(as_series=False)
    return list(value) if not isinstance(value, dict | tuple) else value
