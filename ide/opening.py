"""`instep` without a command: the screen. What takes long is started before what takes time to import."""

import os
from collections.abc import Sequence
from pathlib import Path


def open_screen(folder: Path, *, run: bool = False, compare: Sequence[str] = ()) -> int:
    """Show the project at or above `folder`, or the start page where there is none; with `run`, run it at once, with
    `compare` (labels of runs) what differs between them."""
    from ..engine.errors import ProjectError
    from ..engine.project import find_root
    from .feed import Feed

    # Without this Textual waits a tenth of a second after each Escape, in case it begins a longer sequence.
    os.environ.setdefault("ESCDELAY", "20")
    try:
        root = find_root(folder).resolve()
    except ProjectError:
        root, feed = folder.resolve(), None
    else:
        feed = Feed(root)
    from .app import InstepApp

    app = InstepApp(root, feed)
    app.run_first, app.compare_first = run, tuple(compare)
    app.run()
    return 0
