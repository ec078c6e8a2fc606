"""`python -m instep.remote.service ROOT`: the background process of a project, the engine with what knows clusters.

The one place where the two are put together; `engine/client.py` starts it by this name.
"""

import sys
from pathlib import Path

from ..engine.service import serve
from .elsewhere import Elsewhere

if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), Elsewhere))
