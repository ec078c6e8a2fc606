"""What to do about what differs, and how to say it. Pure: rows of `parity.py` and a policy in, a decision out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from .parity import Mismatch
from .profile import OnMismatch

_MENDED_BY_BUILDING: Final = frozenset({"need", "package"})
_REFUSED: Final = frozenset({"python", "ray", "need", "package", "env", "room"})
"""What `on_mismatch = "refuse"` is about; other hardware is what one goes to a cluster for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do: `go` as it is, `build` an environment there first, or `refuse`; `why` in sentences."""

    action: Literal["go", "build", "refuse"]
    why: tuple[str, ...] = ()


def verdict(policy: OnMismatch, found: Sequence[Mismatch]) -> Verdict:
    """What a cluster's policy says to these differences."""
    hopeless = [one for one in found if one.effect == "stops" and one.kind not in _MENDED_BY_BUILDING]
    if hopeless:
        return Verdict("refuse", tuple(map(sentence, hopeless)))
    matter = [one for one in found if one.kind in _REFUSED and one.effect != "sent"]
    if policy == "refuse" and matter:
        return Verdict("refuse", tuple(map(sentence, matter)))
    mendable = [one for one in found if one.kind in _MENDED_BY_BUILDING]
    if policy == "build" and mendable:
        return Verdict("build", tuple(map(sentence, mendable)))
    stopping = [one for one in found if one.effect == "stops"]
    if stopping:
        mend = 'Install it there, or say `on_mismatch = "build"` to have it installed beside what is there.'
        return Verdict("refuse", (*map(sentence, stopping), mend))
    return Verdict("go", tuple(sentence(one) for one in found if one.effect in ("key", "may")))


def sentence(one: Mismatch) -> str:
    """A row as one sentence."""
    steps = _list(one.steps)
    if one.kind == "room":
        return f"{one.subject} {one.there}"
    if one.kind == "node":
        return f"node {one.subject} could not be looked at: {one.there}"
    what = {"python": "Python", "ray": "Ray", "env": f"the variable {one.subject}"}.get(one.kind, one.subject)
    if one.kind in ("system", "processor"):
        what = f"the {one.kind}"
    if one.kind == "gpu":
        what = "the GPU"
    told = f"{what} is {one.here or 'not there'} here and {one.there or 'not there'} on the cluster"
    if one.kind == "need":
        return f"instep itself needs {one.subject} {one.here} on the cluster, which has {one.there or 'none'}"
    match one.effect:
        case "stops":
            return f"{told}: {steps} cannot run there"
        case "key":
            return f"{told}: results of {steps} are not shared between here and there"
        case "may":
            return f"{told}, which may matter to {steps}"
        case "sent":
            return f"{told}; the value of here goes along for {steps}"


def _list(names: Collection[str]) -> str:
    some = list(names)[:3]
    more = len(names) - len(some)
    return ", ".join(some) + (f" and {more} more" if more else "")
