"""From a folder to a project: a first pipeline, or marks above functions that are there. It can be taken back."""

import ast
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import Place, ProjectError
from .project import CONFIG, STORE

FIRST_FILE = "pipeline.py"
FIRST_STEPS = '''"""A first pipeline: edit a line, and only what it made stale runs again."""

from instep import log, step


@step
def numbers(*, count: int = 10) -> list[int]:
    """A step without inputs; `count` is a param: try `instep run --set numbers.count=20`."""
    return list(range(count))


@step
def squares(numbers: list[int]) -> list[int]:
    """The argument's name says which step it needs."""
    return [number**2 for number in numbers]


@step
def summary(squares: list[int]) -> dict[str, float]:
    """A dict of numbers is shown as metrics."""
    log(largest=max(squares))
    return {"count": len(squares), "mean": sum(squares) / len(squares)}
'''
_NOT_THEIRS = {"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist", "tests", "test"}
_MOST_FILES = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A top-level function that could be a step; `needs` are its positional arguments, which name other steps."""

    path: str
    name: str
    line: int
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: path → the bytes before (None: the file was not there) and after."""

    files: Mapping[str, tuple[bytes | None, bytes]]


def python_files(root: Path) -> list[str]:
    """The person's own Python files below `root`, relative, at most 500; hidden folders, environments and tests not."""
    found: list[str] = []
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(
            one
            for one in inner
            if not one.startswith(".") and one not in _NOT_THEIRS and not (Path(folder) / one / "pyvenv.cfg").exists()
        )
        found += [
            (Path(folder) / name).relative_to(root).as_posix()
            for name in sorted(names)
            if name.endswith(".py") and not name.startswith(("test_", ".")) and name not in ("setup.py", "conftest.py")
        ]
        if len(found) > _MOST_FILES:
            break
    return found[:_MOST_FILES]


def candidates(root: Path) -> list[Candidate]:
    """Public top-level functions without decorators, `*args`, `**kwargs` or positional defaults (which a step cannot
    have: its positional arguments are other steps), in files that Python can read."""
    found: list[Candidate] = []
    for path in python_files(root):
        try:
            tree = ast.parse((root / path).read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not node.decorator_list:
                arguments = node.args
                plain = arguments.vararg is None and arguments.kwarg is None and not arguments.defaults
                if plain and node.name != "main":
                    needs = tuple(one.arg for one in [*arguments.posonlyargs, *arguments.args])
                    found.append(Candidate(path, node.name, node.lineno, needs))
    return found


def write_first_steps(root: Path) -> Written:
    """`instep.toml` and, where there is no pipeline, a first one. Raises ProjectError; changes no file."""
    wanted: dict[str, bytes] = {}
    if not (root / CONFIG).exists():
        wanted[CONFIG] = _config(root.name)
    if not (root / FIRST_FILE).exists() and not (root / "steps").exists():
        wanted[FIRST_FILE] = FIRST_STEPS.encode()
    return _write(root, wanted | _ignored(root))


def mark_steps(root: Path, chosen: Sequence[Candidate]) -> Written:
    """Put `@step` above each of these functions, import it, and say in `instep.toml` which files have steps."""
    wanted: dict[str, bytes] = {}
    paths = list(dict.fromkeys(one.path for one in chosen))
    for path in paths:
        text = _read(root / path)
        wanted[path] = marked(text, [one.line for one in chosen if one.path == path]).encode()
    if not (root / CONFIG).exists():
        wanted[CONFIG] = _config(root.name, paths)
    return _write(root, wanted | _ignored(root))


def marked(text: str, lines: Iterable[int]) -> str:
    """`text` with `@step` above the functions at `lines`, and the import below the last import at its top."""
    rows = text.splitlines(keepends=True)
    for line in sorted(lines, reverse=True):
        rows.insert(line - 1, "@step\n")
    tree = ast.parse(text)
    ours = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "instep"]
    if any(one.name == "step" for node in ours for one in node.names):
        return "".join(rows)
    after = 0
    for index, node in enumerate(tree.body):
        docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not docstring and not isinstance(node, ast.Import | ast.ImportFrom):
            break
        after = node.end_lineno or 0
    rows.insert(after, "from instep import step\n" if after else "from instep import step\n\n")
    return "".join(rows)


def take_back(root: Path, written: Written) -> list[str]:
    """Undo it, except in files that were changed since; returns those."""
    kept: list[str] = []
    for path, (before, after) in written.files.items():
        file = root / path
        if not file.exists() or file.read_bytes() != after:
            kept.append(path)
        elif before is None:
            file.unlink()
        else:
            file.write_bytes(before)
    return kept


def _write(root: Path, wanted: Mapping[str, bytes]) -> Written:
    done: dict[str, tuple[bytes | None, bytes]] = {}
    try:
        for path, data in wanted.items():
            file = root / path
            before = file.read_bytes() if file.exists() else None
            file.write_bytes(data)
            done[path] = (before, data)
    except OSError as error:
        take_back(root, Written(done))
        raise ProjectError(f"cannot write to {root} ({error.strerror})", mend="Make the folder writable.") from None
    return Written(done)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"cannot read {path.name} ({error})", place=Place(path.name)) from None


def _config(name: str, steps: Sequence[str] = ()) -> bytes:
    told = name.replace("\\", "\\\\").replace('"', '\\"')
    quoted = ", ".join(f'"{one}"' for one in steps)
    files = f"steps = [{quoted}]\n" if steps else ""
    return f'[project]\nname = "{told}"\n{files}\n[params]\n'.encode()


def _ignored(root: Path) -> dict[str, bytes]:
    """The store does not belong into git."""
    path = root / ".gitignore"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if STORE in text or not (root / ".git").exists():
        return {}
    return {path.name: f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{STORE}/\n".encode()}
