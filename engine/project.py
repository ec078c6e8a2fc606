"""`instep.toml` and the files it names → `Project`. Reads; writes nothing."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from .cluster_tables import cluster_problems
from .errors import Place, Problem, ProjectError, UsageError, nearest
from .ids import Json

STORE = ".instep"
CONFIG = "instep.toml"
Mark = Literal["decorated", "public"]
DEFAULT_STEPS = ("pipeline.py", "steps/**/*.py")

_TABLES = {
    "project": {"name", "steps", "roots", "mark"},
    "watch": {"auto"},
    "local": {"cpus", "gpus", "memory", "resources"},
}
_OPEN_TABLES = {"params", "clusters", "variants", "step"}


@dataclass(frozen=True, slots=True)
class Local:
    """What the local Ray may use; 0 and empty mean what the machine has. `memory` is bytes."""

    cpus: float = 0
    gpus: float = 0
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with an `instep.toml` (or `[tool.instep]` in its `pyproject.toml`) and step functions.

    `steps` are globs of step files, `roots` the folders where first-party imports are looked up, `params` the
    `[params]` table: a scalar counts for every step with that param, a table for the step of its name.
    """

    root: Path
    name: str
    config: str = CONFIG
    steps: tuple[str, ...] = DEFAULT_STEPS
    roots: tuple[str, ...] = (".", "src")
    mark: Mark = "decorated"
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    variants: Mapping[str, Mapping[str, Json]] = field(default_factory=dict[str, Mapping[str, Json]])
    auto: bool = True
    local: Local = Local()
    clusters: Mapping[str, Json] = field(default_factory=dict[str, Json])
    step: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def store(self) -> Path:
        return self.root / STORE


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that is a project. Raises ProjectError if there is none."""
    start = start.absolute()
    if not start.is_dir():
        raise UsageError(f"there is no folder {start}", mend="Give `-C` a folder that exists.")
    for folder in (start, *start.parents):
        if (folder / CONFIG).is_file() or _has_tool_table(folder / "pyproject.toml"):
            return folder
    raise ProjectError(
        f"no instep project in {start} or above it",
        mend="Run `instep init` to make one here, or `instep demo` to see one at work.",
    )


def load_project(root: Path) -> Project:
    """Read the project at `root`. Raises ProjectError with every mistake in its configuration."""
    root = root.resolve()
    path = root / CONFIG
    tables = _parse(path) if path.is_file() else _tool_table(root / "pyproject.toml")
    config = CONFIG if path.is_file() else "pyproject.toml"
    if not (root / config).is_file():
        raise ProjectError(f"there is no {CONFIG} in {root} any more", mend="Put it back.")
    text = (root / config).read_text(encoding="utf-8", errors="replace")
    problems = [
        *_unknown_keys(tables, config, text),
        *_wrong_types(tables, config, text),
        *cluster_problems(_table(tables, "clusters"), config, text),
    ]
    if problems:
        raise ProjectError(problems[0], *problems[1:])
    project = _table(tables, "project")
    local = _table(tables, "local")
    return Project(
        root=root,
        name=str(project.get("name", root.name)),
        config=config,
        steps=tuple(cast("list[str]", project.get("steps", list(DEFAULT_STEPS)))),
        roots=tuple(cast("list[str]", project.get("roots", [".", "src"]))),
        mark=cast("Mark", project.get("mark", "decorated")),
        params=_table(tables, "params"),
        variants=cast("Mapping[str, Mapping[str, Json]]", _table(tables, "variants")),
        auto=bool(_table(tables, "watch").get("auto", True)),
        local=Local(
            cpus=float(cast("float", local.get("cpus", 0))),
            gpus=float(cast("float", local.get("gpus", 0))),
            memory=int(cast("int", local.get("memory", 0))),
            resources=cast("Mapping[str, float]", local.get("resources", {})),
        ),
        clusters=_table(tables, "clusters"),
        step=_table(tables, "step"),
    )


def _parse(path: Path) -> dict[str, Json]:
    try:
        return cast("dict[str, Json]", tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = _line_of(str(error))
        raise ProjectError(
            Problem(
                f"not valid TOML: {error}", Place(path.name, line), mend="Mend that line and save; nothing was run."
            )
        ) from None
    except OSError as error:
        raise ProjectError(f"cannot read {path}: {error.strerror}") from None


def _line_of(message: str) -> int:
    _, _, rest = message.rpartition("at line ")
    number = rest.split(",")[0].strip(" )")
    return int(number) if number.isdigit() else 0


def _tool_table(path: Path) -> dict[str, Json]:
    if not path.is_file():
        return {}
    return _table(_table(_parse(path), "tool"), "instep")


def _has_tool_table(path: Path) -> bool:
    # A text search first: most folders above a project have a pyproject.toml that is not ours, maybe a broken one.
    try:
        return path.is_file() and "[tool.instep" in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _table(tables: Mapping[str, Json], name: str) -> dict[str, Json]:
    value = tables.get(name, {})
    return value if isinstance(value, dict) else {}


def _unknown_keys(tables: Mapping[str, Json], config: str, text: str) -> list[Problem]:
    known = _TABLES.keys() | _OPEN_TABLES
    problems = [
        Problem(f"unknown table or key `{name}`", _place(config, text, name), mend=_mend(name, known))
        for name in tables
        if name not in known
    ]
    for table, keys in _TABLES.items():
        problems += [
            Problem(f"unknown key `{key}` in [{table}]", _place(config, text, key), mend=_mend(key, keys))
            for key in _table(tables, table)
            if key not in keys
        ]
    return problems


def _mend(name: str, known: set[str]) -> str:
    hint = nearest(name, known)
    return hint[:1].upper() + hint[1:] if hint else "Remove it."


_TYPES: dict[tuple[str, str], tuple[tuple[type, ...], str]] = {
    ("project", "name"): ((str,), "a text"),
    ("project", "steps"): ((list,), 'a list of globs, such as ["steps/*.py"]'),
    ("project", "roots"): ((list,), 'a list of folders, such as [".", "src"]'),
    ("project", "mark"): ((str,), '"decorated" or "public"'),
    ("watch", "auto"): ((bool,), "true or false"),
    ("local", "cpus"): ((int, float), "a number"),
    ("local", "gpus"): ((int, float), "a number"),
    ("local", "memory"): ((int,), "a number of bytes"),
    ("local", "resources"): ((dict,), "a table of numbers"),
}


def _wrong_types(tables: Mapping[str, Json], config: str, text: str) -> list[Problem]:
    problems = [
        Problem(f"`{name}` must be a table", _place(config, text, name), mend=f"Write `[{name}]` and its keys below.")
        for name in (*_TABLES, *_OPEN_TABLES)
        if not isinstance(tables.get(name, {}), dict)
    ]
    for (table, key), (types, wanted) in _TYPES.items():
        value = _table(tables, table).get(key)
        wrong = value is not None and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types))
        wrong = wrong or (isinstance(value, list) and not all(isinstance(one, str) for one in value))
        wrong = wrong or ((table, key) == ("project", "mark") and value not in (None, "decorated", "public"))
        if wrong:
            problems.append(Problem(f"`{key}` must be {wanted}, not {value!r}", _place(config, text, key)))
    return problems


def _place(config: str, text: str, key: str) -> Place:
    """The first line that starts with `key` (or the table of that name); good enough to click on."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.replace("tool.instep.", "").strip().lstrip("[ ").startswith(key):
            return Place(config, number)
    return Place(config)
