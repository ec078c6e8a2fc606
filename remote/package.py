"""instep's own code as one zip, so that a bare cluster can run it: `python -m instep.remote.…` is a job's entry point.

The name is made of what is in it, so it is uploaded once for each version of the code and never by two at once in two
forms. Only source files of the engine and of `remote` go; neither the screen nor examples are of use there.
"""

import io
import os
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from ..engine.digest import digest
from .jobs import JobsPort

_ROOT: Final = Path(__file__).parents[1]
_PARTS: Final = ("engine", "remote")
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


def package_name() -> str:
    """`_ray_pkg_<hash>.zip`: how Ray names what it lets be used as `gcs://NAME`."""
    return f"_ray_pkg_{digest('package/1', [[name, data] for name, data in _files()])}.zip"


def package_uri() -> str:
    """What `runtime_env = {"working_dir": …}` takes once `ensure_package` was called."""
    return f"gcs://{package_name()}"


def package_bytes() -> bytes:
    """The zip; the same bytes whenever and wherever it is made of the same code."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in _files():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def ensure_package(port: JobsPort) -> str:
    """Upload the code unless the cluster has it; its URI. It stays for ten minutes, or as long as a job uses it."""
    if not port.has_package(package_name()):
        port.put_package(package_name(), package_bytes())
    return package_uri()


@cache
def _files() -> tuple[tuple[str, bytes], ...]:
    """Read once: what this process runs is what it sends, even while the code is being edited."""
    paths = [_ROOT / "__init__.py", *(path for part in _PARTS for path in sorted(_below(_ROOT / part)))]
    return tuple((f"instep/{path.relative_to(_ROOT).as_posix()}", path.read_bytes()) for path in paths)


def _below(folder: Path) -> Iterator[Path]:
    """The Python files below, no link followed: in a checkout the package's root leads back to itself."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False) and entry.name != "__pycache__":
            yield from _below(Path(entry.path))
        elif entry.is_file(follow_symlinks=False) and entry.name.endswith(".py"):
            yield Path(entry.path)
