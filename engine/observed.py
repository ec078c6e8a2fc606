"""What a result depended on: the files it was declared to read, and what its run showed beyond its key."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .graph import FileInput, Step
from .ids import Digest, Json
from .keys import Determinants
from .plan import Facts, file_states, observed_file
from .scheduler.assignment import Observed
from .snapshots.records import InputFile

Observations = dict[str, Any]  # Any: {"files": {path: hash}, "env": {name: digest}, "modules": {name: digest}}


def input_files(step: Step, facts: Facts, observed: Mapping[str, Digest | None]) -> list[dict[str, Json]]:
    """The files of a step run as the catalog tells them: declared ones by argument, observed ones without."""
    found = [
        asdict(InputFile(state.path, state.bytes, state.mtime_ns, state.content_hash, one.argument))
        for one in step.inputs
        if isinstance(one, FileInput)
        for state in file_states(one, facts)
    ]
    for path, content in observed.items():
        state = facts.files.state(path)
        if state is not None and content is not None:
            found.append(asdict(InputFile(path, state.bytes, state.mtime_ns, content)))
    return found


def changed_while_read(determinants: Determinants, facts: Facts) -> str:
    """The first input file that is not what the key was made of any more; "" if there is none."""
    for found in determinants.files.values():
        for path, content in found:
            state = facts.files.state(path)
            if state is None or state.content_hash != content:
                return path
    return ""


def observed_by(seen: Observed, determinants: Determinants, facts: Facts, started_us: int) -> Observations:
    """What the worker saw beyond the key, and files that the code names."""
    declared = {path for found in determinants.files.values() for path, _ in found}
    files = {path: observed_file(path, facts.files) for path in seen.files if path not in declared}
    for path in determinants.fingerprint.literals:
        # Libraries in C or Rust open files without Python's audit hook seeing it. A file that the code names and
        # that was there, unchanged, before the step started may be one of them.
        if path in declared or path in files:
            continue
        state = facts.files.state(path)
        if state is None:
            files[path] = None  # it may have been asked for: that it is not there is what was found
        elif state.mtime_ns < started_us * 1000:
            files[state.path] = state.content_hash
    env = {name: value for name, value in seen.env.items() if name not in determinants.env}
    modules = dict(facts.modules(seen.modules)) if seen.modules else {}
    return {kind: found for kind, found in (("files", files), ("env", env), ("modules", modules)) if found}
