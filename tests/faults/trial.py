"""One fault, and what must hold after it."""

import time
from collections import Counter
from dataclasses import dataclass
from random import Random

from ground import Broken, Done, Ground, Told, until
from kinds import Fault, Struck
from project import STEPS, expected, plain

from instep import open_project

_AGAIN = ("run the command again", "Ray did not start")
"""What a command says when it may be called again: the engine died under it, or the machine was too busy for Ray."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How a fault was survived: `broken` is empty, or says what did not hold; `mended` is what `verify` had to mend."""

    fault: str
    seed: str
    moment: str
    broken: str
    mended: tuple[str, ...]
    seconds: float


def tried(ground: Ground, fault: Fault, seed: str) -> Trial:
    """Strike, come back, and look. Never raises."""
    began = time.monotonic()
    mended: tuple[str, ...] = ()
    random = Random(seed)
    when, broken = "", ""
    try:
        ground.sow()
        struck = fault.strike(ground, random)
        when = struck.moment if struck.first is None else f"{struck.moment} → {struck.first.code}"
        mended = _comes_back(ground, struck, random)
    except Broken as error:
        broken = str(error)
    except Exception as error:  # of the harness itself, or of what it reads: a fault that was not survived
        import traceback

        broken = f"{type(error).__name__}: {error} | {traceback.format_exc()[-600:]}"
    return Trial(fault.name, seed, when, broken, mended, time.monotonic() - began)


def _comes_back(ground: Ground, struck: Struck, random: Random) -> tuple[str, ...]:
    told = struck.first.finished() if struck.first else set[str]()
    mended = _sound(ground)
    finished = set() if struck.all_lost else set(ground.recorded().values())
    _holds_what_was_told(ground, told, finished)
    executed = ground.executed()
    run = _completed(ground)
    _nothing_twice(ground, finished, executed)
    _right(ground, run, ground.salt)
    ground.whole.append(ground.salt)
    _earlier_is_there(ground, struck, random)
    if _sound(ground):
        raise Broken("the store was mended twice")
    until(lambda: not ground.left_behind(), f"nothing was left behind: {ground.left_behind()}")
    return mended


def _sound(ground: Ground) -> tuple[str, ...]:
    """What `verify` mended; also where an engine must end first, which the message says."""
    told = ground("verify", "--json")
    if "instep stop" in told.out and told.code:
        ground("stop")
        told = ground("verify", "--json")
    document = told.document
    if not document["sound"]:
        raise Broken(f"the store is not sound: {document['problems']}")
    return tuple(f"{one['kind']} {one['subject']}" for one in document["problems"])


def _holds_what_was_told(ground: Ground, told: set[str], finished: set[Done]) -> None:
    there = {step for salt, step, item in finished if salt == ground.salt and item is None}
    if told - there:
        raise Broken(f"told as finished and not recorded: {sorted(told - there)}")


def _completed(ground: Ground) -> int:
    """The number of a run in which everything is there."""
    told = Told(0, "", "")
    for _ in range(3):
        told = ground("run", "--json")
        if told.code == 0:
            states = {one["name"]: one["state"] for one in told.document["steps"]}
            if set(states.values()) <= {"done", "reused"} and set(states) == set(STEPS):
                return told.document["run"]
            raise Broken(f"a run that ended well left {states}")
        if not any(sign in told.err for sign in _AGAIN):
            break
    raise Broken(f"it did not run afterwards ({told.code}): {told.err[-600:]} {told.out[-600:]}")


def _nothing_twice(ground: Ground, finished: set[Done], before: "Counter[Done]") -> None:
    """Since `before`, nothing that had finished was executed again, but once what had been damaged."""
    ran = (ground.executed() - before).keys() & finished
    if ran - ground.lost:
        raise Broken(f"executed again though finished: {sorted(ran - ground.lost, key=str)[:5]}")
    ground.lost -= ran


def _right(ground: Ground, number: int, salt: int) -> None:
    """Every output of a run is what its steps give for `salt`."""
    run = open_project(ground.root).run(number)
    for name, value in expected(salt).items():
        found = plain(run[name])
        if found != value:
            raise Broken(f"{name} of run {number} is not what it was: {str(found)[:200]}")


def _earlier_is_there(ground: Ground, struck: Struck, random: Random) -> None:
    """The results of an earlier fault, picked by chance, are fresh and right still."""
    if not ground.whole[:-1] or struck.all_lost:
        return
    salt = random.choice(ground.whole[:-1])
    executed, finished = ground.executed(), set(ground.recorded().values())
    told = ground("run", "--json", "--set", f"seed.salt={salt}")
    if told.code:
        raise Broken(f"what was whole before does not run ({told.code}): {told.err[-600:]}")
    _nothing_twice(ground, finished, executed)
    _right(ground, told.document["run"], salt)
