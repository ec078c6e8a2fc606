"""What user code imports: `step`, `File`, `Each`, `log`, `progress`. Standard library only, and little of it.

It marks functions and stays out of their way: a step is the plain function it was, so unit tests can call it. Inside
a run the worker puts a `Sink` in place; outside, `log` prints, `progress` is the iterable it was given.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


class File(str):
    """A file, a glob or a folder that a step reads: `csv=File("data/listings.csv")`.

    As the default of a positional argument it declares a watched input: the step gets a `pathlib.Path`, or for a glob
    (any of `* ? [`) a sorted list of them. The path is relative to the project's root.
    """

    __slots__ = ()


class Each:
    """One task for every item of an upstream list: `country=Each("countries")`; several make their product."""

    __slots__ = ("step",)

    def __init__(self, step: str) -> None:
        self.step = step

    def __repr__(self) -> str:
        return f"Each({self.step!r})"


class Sink(Protocol):
    """Where a running step's records go; the worker implements it."""

    def metrics(self, values: Mapping[str, float]) -> None: ...
    def attach(self, kind: str, name: str, value: object) -> None: ...
    def progress(self, done: int, total: int | None) -> None: ...


_sink: Sink | None = None
"""The sink of the step that runs in this process; `None` outside a run."""


def set_sink(sink: Sink | None) -> Sink | None:
    """Put `sink` in place and return the one before; the worker calls it around a step."""
    global _sink  # user code calls module-level functions, so the sink can only be found in the module
    before, _sink = _sink, sink
    return before


@overload
def step(function: F, /) -> F: ...
@overload
def step(
    *,
    outputs: Sequence[str] = (),
    cpus: float = 1,
    gpus: float = 0,
    memory: int | str = 0,
    resources: Mapping[str, float] = ...,
    retries: int = 0,
    timeout: float | str | None = None,
    cache: bool = True,
    version: str = "",
    env: Sequence[str] = (),
    auto: bool = True,
    isolate: bool = False,
    deps: Sequence[str] = (),
    ignore: Sequence[str] = (),
    packages: str = "exact",
    key: Sequence[str] | str = (),
    labels: Mapping[str, str] = ...,
    run_on: str = "",
) -> Callable[[F], F]: ...
def step(function: Any = None, /, **options: Any) -> Any:  # Any: the two overloads above are what callers see
    """Mark a function as a step; the options are read from the source, so they must be literals or constants.

    `outputs` names several results; `memory` is bytes or `"2GiB"`; `timeout` seconds or `"90s"`, `"2h"`; `env` names
    environment variables that count; `version` is a manual extra in the key; `cache=False` always runs;
    `auto=False` is never started by a file save; `isolate=True` gets a fresh process; `deps` adds names of definitions
    or modules that count, `ignore` takes some away; `packages` says which part of a package's version counts
    (`"exact"`, `"minor"`, `"any"`); `key` names the columns by which rows of its tables are compared between runs;
    `run_on` names the cluster that this step goes to when the others run here, `labels` what its node must have there.
    """

    def mark(target: Any) -> Any:  # Any: a function is given an attribute that its type does not know
        target.__instep__ = options
        return target

    return mark if function is None else mark(function)


def _number(name: str, value: Any) -> float:  # Any: whatever a user logs
    try:
        return float(value)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise TypeError(
            f"log({name}=…) takes a number, not a {kind}; log.text, log.table and log.figure take others"
        ) from None


class _Log:
    """`log(loss=0.3, epoch=2)` records metrics; `log.text`, `log.table`, `log.figure` attach things to see."""

    __slots__ = ()

    def __call__(self, **numbers: float) -> None:
        values = {name: _number(name, value) for name, value in numbers.items()}
        if _sink is None:
            print(" ".join(f"{name}={value:g}" for name, value in values.items()))
        else:
            _sink.metrics(values)

    def text(self, name: str, text: str) -> None:
        self._attach("text", name, text)

    def table(self, name: str, table: object) -> None:
        self._attach("table", name, table)

    def figure(self, name: str, figure: object) -> None:
        self._attach("figure", name, figure)

    def _attach(self, kind: str, name: str, value: object) -> None:
        if _sink is None:
            print(f"{name}: {value}")
        else:
            _sink.attach(kind, name, value)


log = _Log()


def progress(iterable: Iterable[T], total: int | None = None) -> Iterator[T]:
    """Go through `iterable`, telling how far it is; `total` is taken from its length where it has one."""
    if total is None and isinstance(iterable, Sized):
        try:
            total = len(iterable)
        except TypeError:  # a loader over a stream has `__len__`, and raises
            total = None
    done = 0
    for done, item in enumerate(iterable):
        if _sink is not None:
            _sink.progress(done, total)
        yield item
    if _sink is not None and total is not None and total > 0:
        _sink.progress(min(done + 1, total), total)
