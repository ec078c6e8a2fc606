"""Which run is to be shown, as a person types it."""

from typing import TYPE_CHECKING

from ...engine.errors import InstepError

if TYPE_CHECKING:
    from ..app import InstepApp


async def asked_run(host: "InstepApp", shown: int | None) -> int | None:
    """The number of a run that is there; None if given up or where there is none of that number, which is said."""
    text = await host.ask_text("run number", str(shown or ""))
    number = (text or "").strip().removeprefix("#")
    if not number:
        return None
    try:
        await host.ask("neighbours", number=number)
    except InstepError as error:
        host.say(f"{error.problems[0].what}. {error.problems[0].mend}", "stale")
        return None
    return int(number)
