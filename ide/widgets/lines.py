"""Lines that are all there: source, params, a preview, a help page."""

from collections.abc import Sequence

from rich.text import Text

from .line_view import LineView


class Lines(LineView):
    """`show` replaces what is there; the scroll position stays unless `top`."""

    HAS_CURSOR = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Text] = ()
        self._width = 0

    def show(self, lines: Sequence[Text], *, top: bool = False) -> None:
        self._lines = lines
        self._width = max((one.cell_len for one in lines), default=0)
        if top:
            self.scroll_to(0, 0, animate=False, immediate=True)
        self.show_lines(len(lines))

    def line(self, index: int) -> Text:
        return self._lines[index]

    def lines_width(self) -> int:
        return self._width

    @property
    def texts(self) -> Sequence[Text]:
        return self._lines


class Choices(Lines):
    """Lines with a cursor."""

    HAS_CURSOR = True
