"""An output as a file of the person's own."""

from pathlib import Path

from ..errors import Problem, UsageError
from ..snapshots import formats
from ..snapshots.objects import ObjectStore
from .desk import Desk, Document, Request
from .outputs import artifact_of


def export(desk: Desk, request: Request) -> Document:
    """{"content", "path", "overwrite"} → {"path", "bytes"}, or {"exists": path} where there is such a file and
    `overwrite` is not said. A relative path starts at the project. Raises UsageError."""
    text = str(request["path"]).strip()
    if not text:
        raise UsageError("a file needs a name", mend="Give a name that ends in .parquet, .csv or .json.")
    try:
        path = desk.root / Path(text).expanduser()
    except RuntimeError:
        raise UsageError(f"there is no home folder for {text}", mend="Give the whole path.") from None
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", mend="Make it first, or give another path.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", mend="Give the name of a file in it.")
    if path.exists() and not request.get("overwrite"):
        return {"exists": str(path)}
    artifact = artifact_of(desk, str(request["content"]))
    try:
        formats.export(artifact, ObjectStore(desk.store), path)
    except ValueError as error:  # what a library says of data that its format cannot hold
        raise UsageError(Problem(f"it cannot be written as {path.suffix}: {error}"[:300])) from None
    return {"path": str(path), "bytes": path.stat().st_size}
