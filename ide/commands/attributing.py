"""`why … --attribute` and `bisect`: what is found out by running hybrids of runs, here, in a process of its own.

Of its own because steps are run in it: Python's hash seed must be the one that the engine gives its workers, and that
can only be set before a process starts.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# Documents and details are read as JSON.

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

from ...engine.errors import UsageError
from ...engine.project import STORE
from ...engine.snapshots.catalog import Catalog
from ..text import colourful, number, oneline, pad, paint, plural, seconds, width
from .context import DONE, FAILED, INTERRUPTED, put_json, root_of

if TYPE_CHECKING:
    from ...engine.compare.attributed import Attribution, Contribution, Quote
    from ...engine.compare.conditions import Bisection, Looked

_BAR: Final = 20
_HASH_SEED: Final = "PYTHONHASHSEED"


def attribute(arguments: argparse.Namespace) -> int:
    """What each determinant contributed to a metric's change; its price first."""
    words = ["why", arguments.what, "--than", arguments.than, "--attribute"]
    words += ["--metric", arguments.metric] if arguments.metric else []
    words += ["--seeds", str(arguments.seeds)] if arguments.seeds else []
    return _in_its_own_process(arguments, words, _attribute)


def bisect(arguments: argparse.Namespace) -> int:
    """The run that made a condition fail, and what in it did."""
    if bool(arguments.fails) == bool(arguments.metric):
        mend = 'Give `--metric "score.rmse < 0.30"`, which holds for good runs, or `--fails`.'
        raise UsageError("say what a good run is", mend=mend)
    words = ["bisect", "--good", arguments.good, "--bad", arguments.bad]
    words += ["--fails"] if arguments.fails else ["--metric", arguments.metric]
    return _in_its_own_process(arguments, words, _bisect)


def _in_its_own_process(
    arguments: argparse.Namespace, words: list[str], call: Callable[[argparse.Namespace], int]
) -> int:
    if os.environ.get(_HASH_SEED) == "0":
        return call(arguments)
    words = ["-C", str(root_of(arguments)), *words, *(["--json"] if arguments.json else [])]
    words += ["--yes"] if getattr(arguments, "yes", False) else []
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the child as well, which ends in order
    try:
        command = [sys.executable, "-m", "instep", *words]
        return subprocess.run(command, env=os.environ | {_HASH_SEED: "0"}, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _cancelled() -> Generator[threading.Event]:
    """Set by Ctrl-C: the step that runs is cancelled, and what is known by then is told."""
    cancel = threading.Event()

    def hear(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("cancelling … (Ctrl-C again to stop at once)", file=sys.stderr)
        cancel.set()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)


def _attribute(arguments: argparse.Namespace) -> int:
    from ...engine.compare.attribution import attribute as run
    from ...engine.compare.attribution import quote
    from ...engine.compare.explain import metric_of
    from ...engine.compare.here import session_here

    root = root_of(arguments)
    catalog = Catalog(root / STORE)
    if "now" in (arguments.what, arguments.than):
        raise UsageError("only runs can be taken apart, not the working tree", mend="`instep run` makes a run of it.")
    a, b = catalog.number(arguments.than), catalog.number(arguments.what)
    metric = arguments.metric or metric_of(root, str(a), str(b))
    env = {name: value for name, value in os.environ.items() if name != _HASH_SEED}
    with _cancelled() as cancel, session_here(root, [a, b]) as session:
        quoted = quote(session, str(a), str(b), metric, seeds=range(arguments.seeds or 0), env=env)
        if not _agreed(quoted, arguments):
            if arguments.json:
                put_json(quoted.to_json())
            return DONE
        found = run(session, quoted, cancel=cancel, env=env, progress=_progress(quoted))
    if arguments.json:
        put_json(found.to_json() | {"price": quoted.price.to_json()})
    else:
        for line in _attribution(found, on=colourful()):
            print(line)
    return INTERRUPTED if cancel.is_set() else DONE


def _agreed(quoted: "Quote", arguments: argparse.Namespace) -> bool:
    """Tell the price and ask; what costs nothing is not asked about."""
    price = quoted.price
    if not arguments.json:
        for line in _quote(quoted, on=colourful()):
            print(line)
    if arguments.yes or not price.step_runs:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or arguments.json:
        print("nothing was run: add `--yes`", file=sys.stderr)
        return False
    return input("go on? [y/N] ").strip().lower() in ("y", "yes")


def _quote(quoted: "Quote", *, on: bool) -> Iterator[str]:
    metric, price = quoted.cause.metric, quoted.price
    yield (
        f"{paint(oneline(quoted.metric), 'bold', on=on)}  {number(metric.before)} → {number(metric.after)}"
        f"  from run {quoted.cause.a} to run {quoted.cause.b}"
    )
    for one in quoted.factors:
        values = f"  {oneline(str(one.before))} → {oneline(str(one.after))}" if one.before is not None else ""
        yield f"  {one.kind:<6} {oneline(one.name)}{values}"
    for one in quoted.left_out:
        yield f"  {one.kind:<6} {oneline(one.subject)}  cannot be taken apart: only one of each is here"
    how = "" if not quoted.orders else f", {len(quoted.orders)} orders drawn of {len(quoted.factors)} factors"
    yield (
        f"{plural(price.hybrids, 'hybrid')}, at most {plural(price.step_runs, 'step run')},"
        f" about {seconds(price.seconds) or '0 s'}; {price.reused:,} re-used{how}"
    )


def _progress(quoted: "Quote") -> Callable[[int, int], None]:
    """A line on stderr that is redrawn, on a terminal."""

    def show(done: int, of: int) -> None:
        if sys.stderr.isatty() and quoted.price.step_runs:
            print(f"\r\x1b[2K{done} of {of} hybrids", end="\n" if done == of else "", file=sys.stderr, flush=True)

    return show


def _attribution(found: "Attribution", *, on: bool) -> Iterator[str]:
    change = None if found.before is None or found.after is None else found.after - found.before
    told = f": {number(found.before)} → {number(found.after)}, {change:+.4g}" if change is not None else ""
    head = f"what moved {found.metric}{told}"
    yield f"\n{paint(oneline(head), 'bold', on=on)}"
    names = max(width(oneline(one.factor.name)) for one in found.contributions)
    most = max((abs(one.value) for one in found.contributions if one.value is not None), default=0.0)
    for one in found.contributions:
        yield f"  {pad(oneline(one.factor.name), names)}  {_contribution(one, most, change)}"
    for one in found.interactions:
        factors = " and ".join(oneline(name) for name in one.factors)
        yield f"  of which only together: {factors}  {one.value:+.4g}"
    if found.noise is not None:
        noise = found.noise
        margin = f"±{number(noise.margin)} ({noise.seeds} seeds)"
        yield f"  chance: two runs that differ only in their seed stay within {margin}"
    failed = [one for one in found.tried if one.problem]
    if failed:
        yield "\nhybrids that could not run"
        for one in failed[:8]:
            yield f"  B's {oneline(', '.join(one.taken)) or 'nothing'}: {oneline(one.problem)}"
    for note in found.notes:
        yield f"  {oneline(note)}"
    method = {"exact": "exact", "sampled": "sampled", "partial": "from the hybrids that ran"}[found.method]
    yield f"Shapley values, {method}; hybrids are runs of their own, hidden from `instep runs`"


def _contribution(one: "Contribution", most: float, change: float | None) -> str:
    if one.value is None:
        return "unknown: no hybrid that ran tells it"
    error = "" if not one.error else f" ± {number(one.error)}"
    share = f" ({one.value / change:+.0%})" if change and one.value else ""
    bar = "█" * round(_BAR * abs(one.value) / most) if most else ""
    chance = "" if one.beyond_chance is not False else "  within chance"
    return f"{one.value:+.4g}{error}{share}  {bar}{chance}"


def _bisect(arguments: argparse.Namespace) -> int:
    from ...engine.compare.bisect import bisect as search
    from ...engine.compare.conditions import Condition
    from ...engine.compare.here import session_here

    root = root_of(arguments)
    catalog = Catalog(root / STORE)
    condition = Condition() if arguments.fails else Condition.parse(arguments.metric)
    good, bad = catalog.number(arguments.good), catalog.number(arguments.bad)
    env = {name: value for name, value in os.environ.items() if name != _HASH_SEED}

    def told(one: "Looked") -> None:
        if not arguments.json:
            print(_looked(one), flush=True)

    with _cancelled() as cancel, session_here(root, [good, bad]) as session:
        found = search(session, good, bad, condition, cancel=cancel, env=env, told=told)
    if arguments.json:
        put_json(found.to_json())
    else:
        for line in _bisection(found, on=colourful()):
            print(line)
    if cancel.is_set():
        return INTERRUPTED
    return DONE if found.guilty or not found.unjudged else FAILED


def _looked(one: "Looked") -> str:
    value = "" if one.value is None else f"  {number(one.value)}"
    again = "  run again from its snapshot" if one.again else ""
    return f"  run {one.run:<5} {one.judged:<7}{value}{again}{f'  {oneline(one.problem)}' if one.problem else ''}"


def _bisection(found: "Bisection", *, on: bool) -> Iterator[str]:
    between = f", or one of {', '.join(map(str, found.unjudged))} that could not be judged" if found.unjudged else ""
    head = f"run {found.first_bad} made the difference{between}"
    yield f"\n{paint(head, 'failed', on=on)} ({oneline(found.condition)}; run {found.last_good} was good)"
    if found.guilty:
        several = len(found.guilty) > 1
        yield f"  {'because of' if not several else 'each of these suffices:' if found.alone else 'it takes together:'}"
        for one in found.guilty:
            values = f"  {oneline(str(one.before))} → {oneline(str(one.after))}" if one.before is not None else ""
            yield f"    {one.kind:<6} {oneline(one.name)}{values}"
    for one in found.tried:
        value = one.problem or number(one.value)
        yield f"  tried with {oneline(', '.join(one.taken))} of run {found.first_bad}: {oneline(value)}"
    for note in found.notes:
        yield f"  {oneline(note)}"
    yield f"  `instep compare {found.last_good} {found.first_bad}` tells everything that differs"
