"""Runs on a cluster as a job: makes an environment with the pinned distributions on every node, once for each lock.

The environment stands on the interpreter that Ray runs by there and sees all that is installed for it; only what
differs or lacks is installed, in front of it. Standard library and Ray only, like `probe.py`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from .everywhere import everywhere

MARK = "instep-env: "
SECONDS = 1500
"""How long a node may take: a large wheel over a slow line is minutes."""


def make(key: str, pins: dict[str, str]) -> dict[str, Any]:  # Any: JSON
    """The environment `key` on this machine, from what is there or made now. Self-contained: it is sent by value.

    Two jobs at once make one; one that was interrupted is made anew.
    """
    import fcntl
    import importlib.util
    import json
    import os
    import re
    import shutil
    import subprocess
    import sys
    import time
    from importlib.metadata import distributions

    import ray

    base = os.path.expanduser("~/.instep/envs")
    folder = os.path.join(base, key)
    marker = os.path.join(folder, "instep.json")
    python = os.path.join(folder, "bin", "python")
    stands_on = [sys.executable, sys.version, ray.__version__]
    minutes = 20

    class Failed(Exception):
        pass

    def run(command: list[str]) -> str:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=minutes * 60, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(f"{os.path.basename(command[0])}: {error}") from None
        if done.returncode:
            lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
            raise Failed(" / ".join(lines[-4:]) or f"{command[0]} ended with {done.returncode}")
        return done.stdout

    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    def installed() -> dict[str, str]:
        found: dict[str, str] = {}
        # Ray brings copies of its own, that only a process which has imported it can see.
        for one in distributions(path=[path for path in sys.path if "thirdparty_files" not in path]):
            if one.metadata["Name"]:
                found.setdefault(normal(one.metadata["Name"]), one.version)
        return found

    def stand() -> str:
        """An empty environment that sees what Ray's interpreter sees; its folder for packages."""
        run([sys.executable, "-m", "venv", "--without-pip", "--clear", folder])
        packages = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
        below = [path for path in sys.path if os.path.isdir(path) and path.endswith(("site-packages", "dist-packages"))]
        with open(os.path.join(packages, "_below.pth"), "w") as out:
            # Not plain paths: folders added so have their own .pth files followed, for what is installed in place.
            out.writelines(f"import site; site.addsitedir({path!r})\n" for path in below)
        return packages

    def install(packages: str, wanted: dict[str, str]) -> None:
        names = [f"{name}=={version}" for name, version in sorted(wanted.items())]
        uv = shutil.which("uv")
        if uv:
            run([uv, "pip", "install", "--quiet", "--no-deps", "--python", python, "--target", packages, *names])
            return
        pip = [sys.executable, "-m", "pip"]
        if importlib.util.find_spec("pip") is None:
            run([python, "-m", "ensurepip"])
            pip = [python, "-m", "pip"]
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-conflicts"]
        run([*pip, "install", *quiet, "--no-deps", "--target", packages, *names])

    def check() -> None:
        """Python in there is Ray's, Ray is the cluster's, and every pin is what is found first."""
        code = (
            "import json, re, sys; from importlib.metadata import distributions\nfound = {}\n"
            "for one in distributions():\n    name = one.metadata['Name']\n"
            "    if name: found.setdefault(re.sub(r'[-_.]+', '-', name).lower(), one.version)\n"
            "import ray\nprint(json.dumps([sys.version, ray.__version__, found]))"
        )
        version, ray_there, found = json.loads(run([python, "-c", code]).splitlines()[-1])
        wrong = [f"{name} {found.get(name)}" for name, pin in pins.items() if found.get(name) != pin]
        if version != sys.version or ray_there != ray.__version__ or wrong:
            told = ", ".join(wrong[:3]) or f"Python {version.split()[0]}, Ray {ray_there}"
            raise Failed(f"what was made is not what was asked for: {told}")

    began = time.time()
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        with open(os.path.join(base, key + ".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                with open(marker) as told:
                    known = json.load(told)
                if known["stands_on"] == stands_on and os.path.exists(python):
                    return {"state": "there", "seconds": time.time() - began, "installed": known["installed"]}
            except (OSError, ValueError, KeyError):
                pass
            there = installed()
            wanted = {name: version for name, version in pins.items() if there.get(name) != version}
            packages = stand()
            if wanted:
                install(packages, wanted)
            check()
            with open(marker + ".new", "w") as out:
                json.dump({"stands_on": stands_on, "pins": pins, "installed": wanted}, out)
            os.replace(marker + ".new", marker)
    except (Failed, OSError) as error:
        return {"state": "failed", "seconds": time.time() - began, "why": str(error)}
    return {"state": "built", "seconds": time.time() - began, "installed": wanted}


def main(words: list[str]) -> None:
    key, pins = words[0], json.loads(words[1])
    print(MARK + json.dumps(everywhere(make, [key, pins], SECONDS)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
