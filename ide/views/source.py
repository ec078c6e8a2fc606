"""Python source in colours by meaning; pygments is imported when the first source is shown."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pygments has no types.

from functools import lru_cache

from rich.text import Text

from ..text import clean

_INKS = (
    ("Token.Comment", "dim"),
    ("Token.Literal.String", "ok"),
    ("Token.Literal.Number", "side-b"),
    ("Token.Keyword", "remote"),
    ("Token.Operator.Word", "remote"),
    ("Token.Name.Decorator", "running.bold"),
    ("Token.Name.Function", "text.bold"),
    ("Token.Name.Class", "text.bold"),
    ("Token.Name.Builtin", "running"),
)


@lru_cache(maxsize=64)
def coloured(source: str) -> tuple[Text, ...]:
    """The lines of a source, each with its colours; tabs are four columns."""
    from pygments.lexers.python import PythonLexer

    text = Text(no_wrap=True, end="")
    for kind, value in PythonLexer(stripnl=False).get_tokens(clean(source).expandtabs(4)):
        name = str(kind)
        style = next((ink for start, ink in _INKS if name.startswith(start)), "text")
        text.append(value, style)
    return tuple(text.split("\n", allow_blank=True))
