"""`python -m instep` is `instep`."""

import sys

from .ide.quick import main

if __name__ == "__main__":
    sys.exit(main())
