"""`python tests/faults/rounds.py`: many faults, one after the other, and a table of how they were survived.

--count 500              how many
--seed 1                 of the whole round
--only "engine killed"   one kind (may be given several times)
--replay SEED            one fault as it struck: `engine killed/1/17`, as the table tells it
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))

from ground import Ground
from kinds import FAULTS, drawn
from trial import Trial, tried

PER_GROUND = 40
"""Faults on one project, before the next one begins with an empty store."""


def a_round(
    folder: Path, count: int, seed: int, names: Sequence[str] = (), say: Callable[[Trial], object] = lambda _: None
) -> list[Trial]:
    """`count` faults; a ground on which one was not survived is kept for looking at, and left."""
    random = Random(seed)
    trials: list[Trial] = []
    ground: Ground | None = None
    used = 0
    try:
        for at, fault in enumerate(drawn(random, count, names or FAULTS)):
            if ground is None or used >= PER_GROUND:
                if ground is not None:
                    ground.close()
                ground, used = Ground(folder / str(at)), 0
                ground.warm()
            if fault.impossible(ground):
                continue
            trials.append(tried(ground, fault, f"{fault.name}/{seed}/{at}"))
            say(trials[-1])
            used += 1
            if trials[-1].broken:
                _keep(ground, folder / f"broken-{at}")
                ground.close()
                ground = None
    finally:
        if ground is not None:
            ground.close()
    return trials


def _keep(ground: Ground, folder: Path) -> None:
    import shutil

    ground("stop")
    if ground.root.exists():
        shutil.copytree(ground.root, folder, ignore=lambda _, names: [one for one in names if one.endswith(".sock")])
    if ground.ledger.exists() and folder.exists():
        shutil.copy(ground.ledger, folder / "ledger")


def table(trials: Iterable[Trial]) -> str:
    """Fault, how often tried, survived, and mended by `verify`."""
    found = list(trials)
    rows = [f"{'fault':<26}{'tried':>7}{'survived':>10}{'mended':>8}{'s each':>8}"]
    for name in [*dict.fromkeys(one.fault for one in found), ""]:
        mine = [one for one in found if one.fault == name or not name]
        well, mended = sum(not one.broken for one in mine), sum(bool(one.mended) for one in mine)
        each = sum(one.seconds for one in mine) / max(1, len(mine))
        rows.append(f"{name or 'all':<26}{len(mine):>7}{well:>10}{mended:>8}{each:>8.1f}")
    return "\n".join(rows)


def impossible(folder: Path) -> dict[str, str]:
    """Which faults cannot be tried here, and why."""
    ground = Ground(folder / "probe")
    try:
        return {name: why for name, one in FAULTS.items() if (why := one.impossible(ground))}
    finally:
        ground.close()


def show(one: Trial) -> None:
    how = f"BROKEN: {one.broken}" if one.broken else f"mended {', '.join(one.mended)[:80]}" if one.mended else "held"
    print(f"{one.seconds:6.1f} s  {one.seed:<32} {one.moment[:40]:<41} {how}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=list(FAULTS))
    parser.add_argument("--replay", metavar="SEED")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="instep-faults-"))
    if arguments.replay:
        ground = Ground(folder / "replay")
        try:
            ground.warm()
            trials = [tried(ground, FAULTS[arguments.replay.partition("/")[0]], arguments.replay)]
        finally:
            ground.close()
        show(trials[0])
    else:
        trials = a_round(folder, arguments.count, arguments.seed, arguments.only or (), show)
    for name, why in impossible(folder).items():
        print(f"not tried: {name}: {why}")
    print(table(trials))
    broken = [one for one in trials if one.broken]
    if broken:
        print(f"what was left of them is in {folder}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
