"""What instep itself needs where its agent and its workers run. One list, held against what they import by a test.

Of what the package requires for a laptop (a screen, a catalog, a watcher of files) a cluster needs little.
"""

import re
from typing import Final

OLDEST_PYTHON: Final = "3.11"
NEEDS: Final = {
    "blake3": "1.0",
    "cloudpickle": "3.1",
    "numpy": "2.0",
    "polars": "2.1",
    "psutil": "7.0",
    "pyarrow": "26.0",
    "tomlkit": "0.15",
    "watchdog": "7.0",
}
"""By the name of the distribution, the oldest version that will do; those of `pyproject.toml`."""


def at_least(version: str, least: str) -> bool:
    """Whether a version is `least` or newer, by its leading numbers; "" (none) never is."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    if found is None:
        return False
    has, wanted = ([int(part) for part in text.split(".")] for text in (found[0], least))
    return has + [0] * (len(wanted) - len(has)) >= wanted
