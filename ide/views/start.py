"""What the start page says: nothing is there yet, and the two ways to a first result. Pure functions."""

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from ...engine.first_steps import Candidate
from ..text import clean, plural
from .source import coloured

_EXAMPLE = """from instep import step

@step
def load_raw():
    return pl.read_csv("data/raw.csv")

@step
def clean(load_raw):          # the argument's name is the step it needs
    return load_raw.drop_nulls()"""


def page(folder: str, files: int, found: Sequence[Candidate], *, project: bool, python: str) -> list[Text]:
    """The start page. `project`: there is an `instep.toml`, but no step in the files it names."""
    has = plural(files, "Python file") if files else "no Python file yet"
    lines = [
        Text(),
        Text.assemble(
            ("  ", ""),
            (clean(folder), "text.bold"),
            (f" has {has}" + (", but none has a " if files else ". A step is a function with "), "text"),
            ("@step", "running.bold"),
            (".", "text"),
        ),
        Text(),
        Text("  Mark a function, save the file, and it shows up here within a second:", "text"),
        Text(),
        *(Text.assemble("     ", line) for line in coloured(_EXAMPLE)),
        Text(),
    ]
    counts = Counter(one.path for one in found)
    told = ", ".join(f"{path}: {count}" for path, count in list(counts.items())[:3])
    more = f" and {plural(len(counts) - 3, 'more file')}" if len(counts) > 3 else ""
    first = "write a first pipeline to pipeline.py and run it"
    lines += [
        Text.assemble(("  enter  ", "key"), (f"{first:50}", "text"), ("3 steps, a few seconds; undo with u", "dim")),
        Text.assemble(
            ("  s      ", "key" if found else "dim"),
            (f"{'pick functions in my files to mark':50}", "text" if found else "dim"),
            (clean(told) + more if found else "there is no function that could be one", "dim"),
        ),
        Text.assemble(("  ?      ", "key"), ("keys on one page", "text")),
        Text(),
        Text.assemble(
            ("  ● ", "running"),
            ("watching for changes" if project else "watching begins with the first step", "text"),
            (f"   ✓ Python {python}", "text"),
            ("   ✓ Ray starts with the first run", "text"),
        ),
    ]
    return lines


def candidate_names(found: Sequence[Candidate]) -> list[str]:
    """One name a candidate, with what it would need."""
    return [f"{one.path}  {one.name}({', '.join(one.needs)})" for one in found]
