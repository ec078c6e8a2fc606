"""Writes the table of keys into the README: `uv run python docs/fill_keys.py`."""

import re
from pathlib import Path

from instep.ide.keys import table

README = Path(__file__).parents[1] / "README.md"


def main() -> None:
    filled = f"<!-- keys -->\n{table()}\n<!-- /keys -->"
    text = re.sub(r"<!-- keys -->\n.*?<!-- /keys -->", lambda _: filled, README.read_text(), flags=re.DOTALL)
    README.write_text(text)


if __name__ == "__main__":
    main()
