"""Colours by what they mean, in a dark, a light and a 16-colour theme; `NO_COLOR` is Textual's own filter.

Texts name their styles (`ok`, `failed`, `dim`, …); `styles_of` says what those are in a theme. No meaning hangs on a
colour alone: a mark and a word stand beside each.
"""

from collections.abc import Mapping

from rich.style import Style
from rich.theme import Theme as Styles
from textual.theme import Theme

DARK: Mapping[str, str] = {
    "ground": "#0E1318",
    "bar": "#16202A",
    "text": "#D7DEE6",
    "dim": "#7A8896",
    "line": "#2C3A48",
    "ok": "#3CCB9B",
    "running": "#5BB8F0",
    "stale": "#E8B023",
    "failed": "#FF7B4A",
    "remote": "#D48FBF",
    "side-a": "#5BB8F0",
    "side-b": "#F0A13C",
    "cursor": "#1F3A52",
    "cursor-away": "#18242F",
    "match": "#5A4A10",
}
LIGHT: Mapping[str, str] = {
    "ground": "#FBFBF9",
    "bar": "#E9EDF0",
    "text": "#1D2730",
    "dim": "#66727D",
    "line": "#C3CCD4",
    "ok": "#0B7A55",
    "running": "#0B62A8",
    "stale": "#8A6100",
    "failed": "#B83A0A",
    "remote": "#8F3C78",
    "side-a": "#0B62A8",
    "side-b": "#A05A00",
    "cursor": "#CFE3F5",
    "cursor-away": "#E5EDF4",
    "match": "#F5E3A0",
}
SIXTEEN: Mapping[str, str] = {
    "ground": "ansi_default",
    "bar": "ansi_default",
    "text": "ansi_default",
    "dim": "ansi_bright_black",
    "line": "ansi_bright_black",
    "ok": "ansi_green",
    "running": "ansi_cyan",
    "stale": "ansi_yellow",
    "failed": "ansi_red",
    "remote": "ansi_magenta",
    "side-a": "ansi_cyan",
    "side-b": "ansi_yellow",
    "cursor": "ansi_blue",
    "cursor-away": "ansi_default",
    "match": "ansi_yellow",
}
PALETTES: Mapping[str, Mapping[str, str]] = {"instep-dark": DARK, "instep-light": LIGHT, "instep-16": SIXTEEN}
_INKS = ("text", "dim", "line", "ok", "running", "stale", "failed", "remote", "side-a", "side-b")


def themes() -> list[Theme]:
    """The themes as Textual wants them; every colour is a variable (`$ok`) in its style sheets."""
    return [
        Theme(
            name,
            primary=colours["running"],
            secondary=colours["remote"],
            warning=colours["stale"],
            error=colours["failed"],
            success=colours["ok"],
            accent=colours["running"],
            foreground=colours["text"],
            background=colours["ground"],
            surface=colours["ground"],
            panel=colours["bar"],
            dark=name != "instep-light",
            ansi=name == "instep-16",
            variables={f"i-{key}": value for key, value in colours.items()},
        )
        for name, colours in PALETTES.items()
    ]


def styles_of(name: str) -> Styles:
    """What the style names in texts are in this theme."""
    colours = {key: value.removeprefix("ansi_") for key, value in PALETTES.get(name, DARK).items()}
    inks = {key: Style.parse(colours[key]) for key in _INKS}
    bold = {f"{key}.bold": Style.parse(f"bold {colours[key]}") for key in _INKS}
    grounds = {
        key: Style.parse("reverse" if name == "instep-16" and key == "cursor" else f"on {colours[key]}")
        for key in ("ground", "bar", "cursor", "cursor-away", "match")
    }
    return Styles(inks | bold | grounds | {"key": Style.parse(f"bold {colours['stale']}")}, inherit=True)
