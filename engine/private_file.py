"""Files of the store that are written whole or not at all, and that nobody but their owner can open."""

import os
from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    """Replace `path`. Raises OSError; what was there stays then."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(3).hex()}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
