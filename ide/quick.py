"""Where the program begins, and its no-op path: `instep run` with an engine at hand and nothing stale.

That path imports as little as it can; it knows one case, a plain `run` (maybe with `-C DIR`), and leaves everything
else to `cli.main`.
"""

import os
import sys


def main() -> int:
    """The entry point: returns the exit code."""
    words = sys.argv[1:]
    code = try_quickly(words)
    if code is not None:
        return code
    from .cli import main

    return main(words)


def try_quickly(words: list[str]) -> int | None:
    """The exit code if the engine said that there is nothing to run, else None: nothing was done yet."""
    start = os.getcwd()
    if words[:1] == ["-C"] and len(words) > 1:
        start, words = words[1], words[2:]
    if words != ["run"]:
        return None
    root = _root(os.path.abspath(start))
    if root is None or not os.path.exists(os.path.join(root, ".instep")):
        return None
    from ..engine import wire

    try:
        channel = wire.connect(root)
    except wire.NotOurs:
        return None
    if channel is None:
        return None
    try:
        wire.send(channel, {"v": wire.VERSION, "op": "nothing", "env": dict(os.environ)})
        answer = next(wire.receive(channel), None)
    except (OSError, ValueError):
        return None
    finally:
        channel.close()
    if answer is None or not answer.get("nothing"):
        return None
    count, number = answer["nothing"], answer["run"]
    on = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    mark = "\x1b[32m✓\x1b[0m" if on else "✓"
    print(f"{mark} nothing to run: {count:,} step{'' if count == 1 else 's'} fresh (as in run {number})")
    return 0


def _root(folder: str) -> str | None:
    """The project at or above `folder` by its `instep.toml`; to look into a `pyproject.toml` would cost too much."""
    while True:
        if os.path.isfile(os.path.join(folder, "instep.toml")):
            return os.path.realpath(folder)
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
