"""The last thing before the terminal: no character that it would obey leaves, whatever a view forgot to clean."""

from rich.text import Text

from ..text import obeyed


def inert(text: Text) -> Text:
    """The same text, or a copy with `�` in place of what a terminal would obey: as long, so that styles stay where
    they are."""
    if text.plain.isprintable() or not (found := obeyed(text.plain)):
        return text
    copy = text.copy()
    copy.plain = text.plain.translate(dict.fromkeys(map(ord, found), "�"))
    return copy
