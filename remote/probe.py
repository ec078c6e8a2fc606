"""Runs on a cluster as a job, and prints in one line what its machines have and what is installed on them.

Nothing of instep and nothing beyond the standard library and Ray is used, and no syntax that an old Python does not
know: what cannot run here has to be told by something that can. Of environment variables only those that were asked for
are looked at, and of them only a keyed digest leaves the machine.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from .everywhere import everywhere

MARK = "instep-probe: "
"""What the line begins with, among whatever else a job's log has."""
NODE_SECONDS = 40
"""How long another node may take: it has to start a worker, on a busy one that takes a while."""


def look(names: list[str], salt: str) -> dict[str, Any]:  # Any: JSON
    """What the machine that this runs on is. Self-contained: Ray takes it to other nodes by value."""
    import os
    import platform
    import re
    import shutil
    import socket
    import subprocess
    import sys
    from hashlib import blake2b
    from importlib.metadata import distributions

    def packages() -> dict[str, str]:
        found: dict[str, str] = {}
        # Ray brings copies of its own, that only a process which has imported it can see.
        own = [path for path in sys.path if "thirdparty_files" not in path]
        for one in distributions(path=own):
            name = one.metadata["Name"]
            if name:  # a half-removed distribution has none
                found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), one.version)
        return found

    def gpus() -> tuple[list[str], str | None]:
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            told = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return [], None
        rows = [line.rpartition(", ") for line in told.splitlines() if line.strip()]
        return [name for name, _, _ in rows], rows[0][2] if rows else None

    def processor() -> str:
        try:
            with open("/proc/cpuinfo") as lines:
                for line in lines:
                    if line.startswith("model name"):
                        return line.partition(":")[2].strip()
        except OSError:
            pass
        return platform.processor() or platform.machine()

    def free_home(home: str) -> int | None:
        """Bytes that fit there; None where nothing can be written."""
        try:
            return shutil.disk_usage(home).free if os.access(home, os.W_OK | os.X_OK) else None
        except OSError:
            return None

    def ray_version() -> str:
        try:
            import ray

            return ray.__version__
        except ImportError:
            return ""

    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        memory = 0
    kinds, driver = gpus()
    home = os.path.expanduser("~")
    seen = {name: os.environ[name] for name in names if name in os.environ}
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "ray": ray_version(),
        "packages": packages(),
        "env": {
            name: blake2b(value.encode(), key=salt.encode(), digest_size=16).hexdigest() for name, value in seen.items()
        },
        "cpus": os.cpu_count() or 1,
        "memory": memory,
        "processor": processor(),
        "system": platform.system() + " " + platform.release(),
        "gpus": kinds,
        "driver": driver,
        "home": home,
        "home_free": free_home(home),
    }


def main(words: list[str]) -> None:
    names, salt = json.loads(words[0]), words[1]
    print(MARK + json.dumps(everywhere(look, [names, salt], NODE_SECONDS)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
