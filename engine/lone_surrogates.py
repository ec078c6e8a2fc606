"""Half characters: Python's texts may hold what is no text anywhere else (a file name that is not UTF-8, `"\\udcff"`).

Neither SQLite nor DuckDB nor a terminal takes them. What is only shown loses them; what has to be found again by its
name (a file) is refused with a message.
"""


def is_text(text: str) -> bool:
    """Whether UTF-8 can say it."""
    return text.isascii() or as_text(text) == text


def as_text(text: str) -> str:
    """The same with `?` for what UTF-8 cannot say."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
