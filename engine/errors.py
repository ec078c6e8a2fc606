"""Every error that a user may see, each with a title, a place, a cause and a mend.

    InstepError
    ├── ProjectError        the project's files are wrong: no project, bad TOML, unknown key, bad graph
    │   └── GraphError      one or many problems in the step functions, all at once
    ├── UsageError          the command is wrong: unknown step, unknown run number, bad `--set`, bad SQL
    ├── StoreError          .instep cannot be read or written: newer version, read-only, disk full, damaged object
    │   ├── StoreBusy       somebody else holds it; worth trying again
    │   └── MissingObject   an artifact's bytes are not in the store
    ├── StepError           a step failed: it raised, died, timed out, or returned what cannot be stored
    ├── EngineError         the background engine cannot be started or reached
    │   └── ExecutorError   Ray (or another executor) cannot be started, or cannot ever fit a step
    └── ClusterError        a cluster cannot do what was asked, and says so
        ├── ClusterUnreachable  no answer, or a broken one; worth trying again: lost sight of, not failed
        └── ClusterRefused      it does not let us in, or we refuse it: token, open to everybody, version, no room

A problem with a place in the user's files is a `Problem`: a value that can be collected, sent and shown; an error
carries one or several of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line in a file of the project; `path` is relative to the project's root, with forward slashes."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake and how to mend it: `what` in a few words, `why` in a sentence, `mend` as an instruction."""

    what: str
    place: Place | None = None
    why: str = ""
    mend: str = ""

    def __str__(self) -> str:
        head = f"{self.place}: {self.what}" if self.place else self.what
        return "\n".join([head, *(f"  {line}" for line in (self.why, self.mend) if line)])


class InstepError(Exception):
    """The root of the tree; never raised itself. `exit_code` is what the command line ends with."""

    exit_code = 2

    def __init__(self, problem: Problem | str, *more: Problem, place: Place | None = None, mend: str = "") -> None:
        first = problem if isinstance(problem, Problem) else Problem(problem, place, mend=mend)
        self.problems: tuple[Problem, ...] = (first, *more)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type["InstepError"], tuple[Problem, ...]]:
        return type(self), self.problems


class ProjectError(InstepError):
    """The project's files are wrong."""


class GraphError(ProjectError):
    """The step functions do not form a graph."""


class UsageError(InstepError):
    """The command is wrong."""


class StoreError(InstepError):
    """The project's store cannot be read or written."""


class StoreBusy(StoreError):
    """Somebody else holds the store."""


class MissingObject(StoreError):
    """An artifact's bytes are not in the store, or do not match their hash."""


class StepError(InstepError):
    """A step failed."""

    exit_code = 1


class EngineError(InstepError):
    """The background engine cannot be started or reached."""


class ExecutorError(EngineError):
    """An executor cannot be started, or has no room that could ever fit a step."""


class ClusterError(InstepError):
    """A cluster cannot do what was asked of it."""


class ClusterUnreachable(ClusterError):
    """Nothing, or nothing whole, came back: what goes on there goes on, and trying again may work."""

    exit_code = 1


class ClusterRefused(ClusterError):
    """The cluster does not let us in, or is not one to work with as it is configured; trying again changes nothing."""


def problem_to_json(problem: Problem) -> dict[str, object]:
    return {
        "what": problem.what,
        "place": str(problem.place) if problem.place else None,
        "why": problem.why,
        "mend": problem.mend,
    }


def nearest(name: str, known: Iterable[str]) -> str:
    """A `did you mean …?` for `name` among `known`, or what there is, or nothing."""
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if names and len(names) <= 12:
        return "there are: " + ", ".join(f"`{known}`" for known in names)
    return ""
