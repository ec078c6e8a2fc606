"""Source files → steps and edges. Nothing of the user's is imported or executed here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import Place, Problem
from .ids import Json, StepName


@dataclass(frozen=True, slots=True)
class Upstream:
    """An argument that receives the output of another step; `output` is `""` for a step with one unnamed output."""

    argument: str
    step: StepName
    output: str = ""


@dataclass(frozen=True, slots=True)
class FileInput:
    """An argument that receives a path, or for a glob a sorted list of paths. `pattern` is relative to the root."""

    argument: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Fan:
    """An argument that receives one item of an upstream list; several make their product, the last varies fastest."""

    argument: str
    step: StepName
    output: str = ""


Input = Upstream | FileInput | Fan


@dataclass(frozen=True, slots=True)
class Param:
    """A keyword-only argument. `known` is False where the default is not a literal or constant that can be read
    from the source; such a default counts through the code's fingerprint instead."""

    name: str
    default: Json = None
    known: bool = True
    place: Place = Place("")


@dataclass(frozen=True, slots=True)
class Options:
    """What `@step(…)` declared. `memory` is bytes, `timeout` seconds. `key` names the columns that identify a row of
    the tables it puts out: what runs are compared by, no part of the step's key. `labels` are those that a cluster's
    node must have, `run_on` names the cluster that this step goes to when the others run here."""

    outputs: tuple[str, ...] = ()
    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict[str, float])
    retries: int = 0
    timeout: float | None = None
    cache: bool = True
    version: str = ""
    env: tuple[str, ...] = ()
    auto: bool = True
    isolate: bool = False
    deps: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    packages: Literal["exact", "minor", "any"] = "exact"
    key: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    run_on: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step function. `module` is the dotted name it is imported by, `place` the line of its `def`."""

    name: StepName
    module: str
    place: Place
    inputs: tuple[Input, ...] = ()
    params: tuple[Param, ...] = ()
    options: Options = Options()

    @property
    def fans(self) -> tuple[Fan, ...]:
        return tuple(one for one in self.inputs if isinstance(one, Fan))


@dataclass(frozen=True, slots=True)
class Graph:
    """`steps` in topological order (ties by place); `problems` are all mistakes; the steps they touch are left out."""

    steps: Mapping[StepName, Step]
    problems: tuple[Problem, ...] = ()
