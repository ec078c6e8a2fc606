"""Source files → `Graph`: which functions are steps, what their arguments mean, and every mistake at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .errors import Place, Problem, nearest
from .facts import Ref
from .graph import Fan, FileInput, Graph, Input, Param, Step, Upstream
from .ids import Json, StepName
from .literals import Lookup, Unknown, evaluate
from .modules import Modules, Node, modules_of
from .options import read_options
from .project import Project
from .source_index import Argument, Declaration, IndexCache
from .topology import cycles, in_order


@dataclass(frozen=True, slots=True)
class _Found:
    """A declaration in a file, and the name `Step.module` will have."""

    path: str
    module: str
    declaration: Declaration

    @property
    def place(self) -> Place:
        return Place(self.path, self.declaration.line)


@dataclass(frozen=True, slots=True)
class _Names:
    """All step and output names of the project: name → (step, output)."""

    owners: Mapping[str, tuple[StepName, str]]
    several: Mapping[str, tuple[str, ...]]


@dataclass(slots=True)
class _Draft:
    step: Step
    problems: list[Problem] = field(default_factory=list[Problem])


def read_graph(project: Project, code: Mapping[str, bytes], index: IndexCache) -> Graph:
    """The steps of `code` (path → source). Never raises for what the files hold: `Graph.problems` has the mistakes."""
    modules, _ = modules_of(project, code, index)
    known: tuple[Modules, Graph] | None = index.graph
    graph = known[1] if known is not None and _same_declarations(modules, known[0]) else _build(project, modules)
    index.graph = modules, graph
    return graph


def _same_declarations(modules: Modules, before: Modules) -> bool:
    """Whether the same graph would come out: all that it is made of is equal."""
    if modules is before:
        return True
    if not modules.same_shape(before):
        return False
    steps = set(modules.step_files)
    return all(
        one is before.files[path]
        or (
            one.constants_digest == before.files[path].constants_digest
            and one.error == before.files[path].error
            and (path not in steps or one.declarations_digest == before.files[path].declarations_digest)
        )
        for path, one in modules.files.items()
    )


def _build(project: Project, modules: Modules) -> Graph:
    problems = _unreadable(modules)
    found, twice = _without_twins(_declared(modules))
    problems += twice
    drafts = [_Draft(*_draft(one, modules)) for one in found]
    names, clashes = _names_of([draft.step for draft in drafts])
    problems += clashes
    for draft, one in zip(drafts, found, strict=True):
        inputs, params, wrong = _arguments(one, names, project, modules.constant)
        object.__setattr__(draft, "step", _with(draft.step, inputs, params))
        draft.problems += wrong
    if not found and not problems:
        problems.append(_no_steps(project, modules))
    good = {draft.step.name: draft.step for draft in drafts if not draft.problems}
    problems += [problem for draft in drafts for problem in draft.problems]
    for path in cycles(good):
        problems.append(
            Problem(
                "these steps need each other: " + " → ".join(path),
                good[path[0]].place,
                mend="Remove one of these arguments, or split a step.",
            )
        )
    return Graph(in_order(good), tuple(problems))


def _unreadable(modules: Modules) -> list[Problem]:
    """Syntax errors in step files and in what they import; broken files that nobody uses are nobody's business."""
    used = {path for one in modules.step_files for path in modules.loaded(one)}
    return [
        Problem(f"syntax error: {error[0]}", Place(path, error[1]), mend="Mend it and save; the other steps go on.")
        for path in sorted(used)
        if (error := modules.files[path].error) is not None
    ]


def _declared(modules: Modules) -> list[_Found]:
    return [
        _Found(path, modules.module_of(path), one)
        for path in modules.step_files
        for one in modules.files[path].declarations
        if not one.decorator or _is_step(modules, path, one.decorator)
    ]


def _is_step(modules: Modules, path: str, decorator: tuple[str, ...]) -> bool:
    """Whether the decorator is instep's, also through a module of the project that passes it on."""
    nodes = modules.resolve(path, Ref(None, decorator))
    return any(one.kind == "external" and one.path == "instep" for one in nodes)


def _without_twins(found: Iterable[_Found]) -> tuple[list[_Found], list[Problem]]:
    by_name: dict[str, list[_Found]] = {}
    for one in found:
        by_name.setdefault(one.declaration.name, []).append(one)
    twins = [
        Problem(
            f"two steps are called `{name}`",
            ones[1].place,
            f"The other one is at {ones[0].place}.",
            "Rename one of them.",
        )
        for name, ones in by_name.items()
        if len(ones) > 1
    ]
    return [ones[0] for ones in by_name.values() if len(ones) == 1], twins


def _draft(one: _Found, modules: Modules) -> tuple[Step, list[Problem]]:
    """The step without its arguments, and what is wrong with its declaration."""
    declared = one.declaration
    options, problems = read_options(declared.options, one.path, declared.name, modules.constant)
    if declared.odd:
        problems.append(
            Problem(f"step `{declared.name}`: {declared.odd}", one.place, mend="Write each as `name=value`.")
        )
    if declared.variadic and declared.decorator:
        problems.append(
            Problem(
                f"step `{declared.name}` takes `{declared.variadic}`",
                one.place,
                "instep could not know what to pass.",
                "Name each argument.",
            )
        )
    if "/" in one.module or one.module.endswith(".py"):
        problems.append(
            Problem(
                f"{one.path} cannot be imported by this name",
                one.place,
                mend="Use letters, digits and _ in file names.",
            )
        )
    for name in (*options.deps, *options.ignore):
        if not named_nodes(modules, one.path, name):
            problems.append(
                Problem(
                    f"step `{declared.name}`: there is no definition or module `{name}`",
                    one.place,
                    mend="Write a name of this file, or `module.name`.",
                )
            )
    return Step(StepName(declared.name), one.module, one.place, options=options), problems


def named_nodes(modules: Modules, path: str, name: str) -> list[Node]:
    """What `name` in `deps` or `ignore` means: a name in the step's file, else a module or a name in one."""
    names = tuple(name.split("."))
    index = modules.files[path]
    if names[0] in index.units or names[0] in index.imports:
        return [one for one in modules.resolve(path, Ref(None, names)) if one.kind in ("unit", "module")]
    for count in range(len(names), 0, -1):
        target = modules.table.get(".".join(names[:count]))
        if target is not None:
            found = modules.member(target, names[count:])
            return [one for one in found if one.kind == "module" or modules.unit(one) is not None]
    return []


def _names_of(steps: Iterable[Step]) -> tuple[_Names, list[Problem]]:
    owners: dict[str, tuple[StepName, str]] = {}
    places: dict[str, Place] = {}
    several: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for step in steps:
        if step.options.outputs:
            several[step.name] = step.options.outputs
        for name in step.options.outputs or (step.name,):
            if name in owners:
                problems.append(
                    Problem(
                        f"two steps have an output `{name}`: `{owners[name][0]}` and `{step.name}`",
                        step.place,
                        f"The other one is at {places[name]}.",
                        "Rename one of them.",
                    )
                )
                continue
            owners[name] = step.name, name if step.options.outputs else ""
            places[name] = step.place
    return _Names(owners, several), problems


def _with(step: Step, inputs: tuple[Input, ...], params: tuple[Param, ...]) -> Step:
    return Step(step.name, step.module, step.place, inputs, params, step.options)


def _arguments(
    one: _Found, names: _Names, project: Project, lookup: Lookup
) -> tuple[tuple[Input, ...], tuple[Param, ...], list[Problem]]:
    inputs: list[Input] = []
    params: list[Param] = []
    problems: list[Problem] = []
    for argument in one.declaration.arguments:
        match _meaning(argument, one, names, project, lookup):
            case Problem() as problem:
                problems.append(problem)
            case Param() as param:
                params.append(param)
            case found:
                inputs.append(found)
    return tuple(inputs), tuple(params), problems


def _meaning(
    argument: Argument, one: _Found, names: _Names, project: Project, lookup: Lookup
) -> Input | Param | Problem:
    public = not one.declaration.decorator
    if argument.default == "file":
        return _file(argument, one, lookup)
    if argument.default == "each":
        return _each(argument, one, names, lookup)
    if public and argument.name in names.owners and argument.name != one.declaration.name:
        return Upstream(argument.name, *names.owners[argument.name])
    if argument.keyword or public:
        return _param(argument, one, names, project, lookup)
    if argument.default == "value":
        return Problem(
            f"step `{one.declaration.name}`: the positional argument `{argument.name}` has a default",
            Place(one.path, argument.line),
            "Positional arguments are upstream steps; params are keyword-only.",
            f"Put `*,` before `{argument.name}` to make it a param, or remove the default.",
        )
    return _upstream(argument.name, argument, one, names, Upstream)


def _upstream(
    name: str, argument: Argument, one: _Found, names: _Names, kind: type[Upstream] | type[Fan]
) -> Input | Problem:
    place, step = Place(one.path, argument.line), one.declaration.name
    if name in names.owners:
        return kind(argument.name, *names.owners[name])
    if name in names.several:
        outputs = ", ".join(f"`{output}`" for output in names.several[name])
        return Problem(
            f"step `{step}` needs `{name}`, which has several outputs", place, mend=f"Name one of them: {outputs}."
        )
    hint = nearest(name, (known for known in names.owners if names.owners[known][0] != step))
    mend = (
        hint[:1].upper() + hint[1:]
    ) or "Write that step, or make it a param: put `*,` before it and give a default."
    return Problem(f"step `{step}` needs `{name}`, which no step makes", place, mend=mend)


def _file(argument: Argument, one: _Found, lookup: Lookup) -> Input | Problem:
    pattern = _read(argument, one, lookup)
    place, step = Place(one.path, argument.line), one.declaration.name
    if not isinstance(pattern, str) or not pattern:
        return Problem(
            f"step `{step}`: the path of `{argument.name}=File(…)` cannot be read from the source",
            place,
            mend="Give one literal text or module-level constant.",
        )
    if any(mark in pattern for mark in "*?[") and (pattern.startswith("/") or ".." in pattern.split("/")):
        return Problem(
            f"step `{step}`: the glob `{pattern}` leads out of the project", place, mend="Use a glob below the project."
        )
    return FileInput(argument.name, pattern)


def _each(argument: Argument, one: _Found, names: _Names, lookup: Lookup) -> Input | Problem:
    name = _read(argument, one, lookup)
    if not isinstance(name, str):
        return Problem(
            f"step `{one.declaration.name}`: `{argument.name}=Each(…)` cannot be read from the source",
            Place(one.path, argument.line),
            mend="Give the name of a step as a literal text.",
        )
    return _upstream(name, argument, one, names, Fan)


def _param(argument: Argument, one: _Found, names: _Names, project: Project, lookup: Lookup) -> Input | Param | Problem:
    place, step = Place(one.path, argument.line), one.declaration.name
    if argument.default == "value":
        try:
            if argument.lowered is None:
                raise Unknown
            return Param(argument.name, evaluate(argument.lowered, one.path, lookup), True, place)
        except Unknown:
            return Param(argument.name, None, False, place)
    own = project.params.get(step)
    if not one.declaration.decorator:
        if argument.name in project.params or (isinstance(own, dict) and argument.name in own):
            return Param(argument.name, None, True, place)
        return _upstream(argument.name, argument, one, names, Upstream)
    return Problem(
        f"step `{step}`: the param `{argument.name}` has no default",
        place,
        mend=f"Write `{argument.name}=…` with a value.",
    )


def _read(argument: Argument, one: _Found, lookup: Lookup) -> Json:
    try:
        return None if argument.lowered is None else evaluate(argument.lowered, one.path, lookup)
    except Unknown:
        return None


def _no_steps(project: Project, modules: Modules) -> Problem:
    globs = ", ".join(project.steps)
    if not modules.step_files:
        return Problem(
            f"no step files: nothing matches {globs}",
            Place(project.config),
            mend="Write a file there with a function marked `@step`, or run `instep init`.",
        )
    return Problem(
        f"no steps in {', '.join(modules.step_files[:3])}",
        Place(modules.step_files[0]),
        mend='Mark a function with `@step` (`from instep import step`), or set `mark = "public"` in [project].',
    )
