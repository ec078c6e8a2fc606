"""`$EDITOR` at a line, with the terminal lent to it meanwhile."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .frame import Frame


def command(path: Path, line: int) -> list[str]:
    """How to call the person's editor: `$VISUAL`, `$EDITOR`, else vi."""
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    name = Path(words[0]).name
    if name in ("code", "code-insiders", "cursor", "codium"):
        return [*words, "--wait", "--goto", f"{path}:{line or 1}"]
    if name in ("subl", "hx", "helix", "zed"):
        return [*words, f"{path}:{line or 1}"]
    return [*words, f"+{line or 1}", str(path)]


def edit(app: "Frame", path: Path, line: int) -> str:
    """Open the editor and wait for it; returns what went wrong, or ""."""
    if not path.is_file():
        return f"{path.name} is not there any more"
    words = command(path, line)
    from textual.app import SuspendNotSupported

    try:
        with app.suspend():
            done = subprocess.run(words, check=False)
    except SuspendNotSupported:
        return "this terminal cannot be lent to an editor"
    except OSError as error:
        return f"cannot start `{words[0]}` ({error.strerror}); set EDITOR"
    app.refresh(layout=True)
    return f"`{words[0]}` ended with {done.returncode}" if done.returncode else ""
