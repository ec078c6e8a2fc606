"""From what a step returned to what is stored: as many outputs as it declared, and nothing that cannot be kept."""

import inspect
from collections.abc import Mapping, Sequence
from types import AsyncGeneratorType, GeneratorType
from typing import TypeGuard

from ..errors import InstepError, StepError
from ..snapshots.artifact import Artifact, ItemRef
from ..snapshots.formats import Stored, store, store_items
from ..snapshots.objects import ObjectStore, StoredObject
from .assignment import Failure
from .failure import output, refused

_LAZY = (GeneratorType, AsyncGeneratorType, map, filter, zip)


class WrongResult(Exception):
    """What was returned is not what was declared."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.title)
        self.failure = failure


def named_outputs(value: object, names: Sequence[str]) -> dict[str, object]:
    """Output name → value; the only output of a step without names is `""`. Raises WrongResult."""
    _refuse_lazy(value)
    if not names:
        return {"": value}
    if _is_mapping(value):
        found = _by_name(value, names)
    elif len(names) == 1:
        found = {names[0]: value}
    else:
        found = _by_position(value, names)
    for one in found.values():
        _refuse_lazy(one)
    return found


def _by_name(value: Mapping[object, object], names: Sequence[str]) -> dict[str, object]:
    if set(value) == set(names):
        return {name: value[name] for name in names}
    if len(names) == 1:
        return {names[0]: value}
    got = ", ".join(str(name) for name in list(value)[:10]) or "nothing"
    raise WrongResult(
        output(
            f"returned a dict with {got} for {len(names)} outputs ({', '.join(names)})",
            mend=f"Return a dict with exactly the keys {', '.join(names)}, or a tuple in that order.",
        )
    )


def _by_position(value: object, names: Sequence[str]) -> dict[str, object]:
    wanted = f"{len(names)} outputs ({', '.join(names)})"
    mend = f"Return `{', '.join(names)}`, or change `outputs=` in @step."
    if _is_many(value):
        if len(value) == len(names):
            return dict(zip(names, value, strict=True))
        got = "1 value" if len(value) == 1 else f"{len(value)} values"
    else:
        got = "nothing" if value is None else f"one {type(value).__name__}"
    raise WrongResult(output(f"returned {got} for {wanted}", mend=mend))


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_many(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, tuple | list)


def _refuse_lazy(value: object) -> None:
    kind = type(value).__name__.replace("_", " ")
    if inspect.iscoroutine(value):
        value.close()
        mend = "Make the step a plain function and call `asyncio.run(…)` in it."
        raise WrongResult(output("returned a coroutine, which has not run", mend=mend))
    if isinstance(value, _LAZY):
        article = "an" if kind[0] in "aeiou" else "a"
        mend = "Return a list: `return list(…)`; a function with `yield` in it is a generator."
        raise WrongResult(output(f"returned {article} {kind}, which can be read once and cannot be stored", mend=mend))


def store_outputs(
    values: Mapping[str, object], objects: ObjectStore
) -> tuple[dict[str, Artifact | ItemRef], tuple[StoredObject, ...]]:
    """Store the outputs of one item. Raises WrongResult for one that cannot be kept."""
    artifacts: dict[str, Artifact | ItemRef] = {}
    written: list[StoredObject] = []
    for name, value in values.items():
        try:
            stored = store(value, objects)
        except InstepError as error:
            raise WrongResult(_of_output(refused(error), name)) from error
        artifacts[name] = stored.artifact
        written += stored.objects
    return artifacts, tuple(written)


def store_batch(
    batch: Sequence[Mapping[str, object]], names: Sequence[str], objects: ObjectStore
) -> tuple[list[dict[str, ItemRef] | Failure], list[Stored]]:
    """Store the outputs of many items, a block for each output; for each item its references or why there are none."""
    results: list[dict[str, ItemRef] | Failure] = [{} for _ in batch]
    blocks: list[Stored] = []
    for name in names or ("",):
        try:
            refs, block = store_items([one[name] for one in batch], objects)
        except InstepError as error:
            return [_of_output(refused(error), name) for _ in batch], blocks
        blocks += [block] if block is not None else []
        for at, ref in enumerate(refs):
            known = results[at]
            if isinstance(ref, StepError):
                results[at] = _of_output(refused(ref), name)
            elif isinstance(known, dict):
                known[name] = ref
    return results, blocks


def _of_output(failure: Failure, name: str) -> Failure:
    return failure if not name else Failure("output", f"output {name}: {failure.title}", failure.message, failure.mend)
