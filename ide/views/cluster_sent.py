"""What sending a run to a cluster would take: the price before the press. Pure functions of what the engine answers
(`remote/price.py`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from ..text import fit, oneline, pad, plural, seconds, size

Document = Mapping[str, Any]  # Any: JSON
_WEIGHT = {"stops": ("✗", "failed"), "key": ("◌", "stale"), "may": ("·", "dim"), "sent": ("⇡", "remote")}


def sent_lines(price: Document, room: int) -> list[Text]:
    """What `o` would do, and what it would cost."""
    lines = [_line("run", _runs(price)), _line("time", _times(price))]
    pieces: Sequence[Document] = price["pieces"]
    for kind, title in (("code", "code"), ("data", "data"), ("result", "results")):
        of_kind = [one for one in pieces if one["kind"] == kind]
        if of_kind:
            lines.append(_line(title, _pieces(kind, of_kind, room - 9)))
    total = sum(one["bytes"] for one in pieces)
    unsure = "" if price["sure"] else "; the cluster cannot say what it has, so at most"
    lines.append(_line("to send", f"{size(price['ship'])} of {size(total)}{unsure}"))
    return lines + parity_lines(price, room)


def parity_lines(price: Document, room: int) -> list[Text]:
    """What differs there, and what the cluster's rule makes of it."""
    rows: Sequence[Document] = price["parity"]
    if not rows:
        return [Text.assemble(("env      ", "dim"), ("✓ ", "ok"), ("nothing differs that these steps reach", "text"))]
    action = {"go": "sent all the same", "build": "an environment is built there first", "refuse": "not sent"}
    rule = f'on_mismatch = "{price["on_mismatch"]}": {action[price["verdict"]["action"]]}'
    lines = [_line("rule", rule)]
    for at, one in enumerate(rows):
        mark, style = _WEIGHT[one["effect"]]
        lead = "differs  " if at == 0 else "         "
        text = fit(oneline(one["text"]), max(10, room - 11))
        lines.append(Text.assemble((lead, "dim"), (f"{mark} ", style), (text, style if style != "dim" else "text")))
    return lines


def _line(title: str, text: str) -> Text:
    return Text.assemble((pad(title, 9), "dim"), (text, "text"), no_wrap=True, end="")


def _runs(price: Document) -> str:
    steps = [oneline(one["name"]) for one in price["steps"]]
    if not steps:
        return f"nothing: {plural(price['cached'], 'step')} cached"
    more = f" and {len(steps) - 6} more" if len(steps) > 6 else ""
    cached = f" · {price['cached']} cached" if price["cached"] else ""
    return f"{', '.join(steps[:6])}{more}{cached}"


def _times(price: Document) -> str:
    return (
        " · ".join(f"{where} {about(price, where)}" for where in ("here", "there"))
        + "  (what the steps took before, one after the other)"
    )


def about(price: Document, where: str) -> str:
    """`about 41 s`, `not known` or `41 s and 2 steps not run there before`."""
    unknown, runs = price["unknown"][where], len(price["steps"])
    if unknown == runs:
        return "not known" if runs else "nothing to run"
    more = f" and {plural(unknown, 'step')} not run {where} before" if unknown else ""
    return f"about {seconds(price[where])}{more}"


def _pieces(kind: str, pieces: Sequence[Document], room: int) -> str:
    there = [one for one in pieces if one["there"]]
    lacking = [one for one in pieces if not one["there"]]
    files = plural(len(pieces), "file" if kind != "result" else "result")
    told = f"{files}, {size(sum(one['bytes'] for one in pieces))}"
    if not lacking:
        return f"{told}: already there"
    names = ", ".join(f"{oneline(one['name'])} {size(one['bytes'])}" for one in lacking[:3])
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    part = f"; {len(there)} already there" if there else ""
    return fit(
        f"{told}: to send {names}{more}{part}" if kind != "result" else f"{told}: {len(lacking)} to send{part}", room
    )


def question(price: Document) -> str:
    """Price before press, in one line."""
    steps, name = price["steps"], oneline(price["cluster"])
    what = f"Replay run {price['replay']}" if price["replay"] is not None else f"Send {plural(len(steps), 'step')}"
    parts = [f"{what} {'on' if price['replay'] is not None else 'to'} {name}?"]
    if steps:
        parts.append(f"here {about(price, 'here')}, there {about(price, 'there')}")
    parts.append(f"{size(price['ship'])} to send")
    matter = [one for one in price["parity"] if one["effect"] in ("stops", "key", "may")]
    parts += [f"{plural(len(matter), 'thing')} {'differs' if len(matter) == 1 else 'differ'}"] if matter else []
    waiting = next((f"{one['name']} {one['waits']}" for one in steps if one["waits"]), "")
    parts += [f"waits: {oneline(waiting)}"] if waiting else []
    return " · ".join(parts)


def refusal(price: Document) -> str:
    """Why it may not be sent, in one line; "" if it may."""
    if price["verdict"]["action"] != "refuse":
        return ""
    return f"{oneline(price['cluster'])} refuses it: {'; '.join(oneline(one) for one in price['verdict']['why'])}"
