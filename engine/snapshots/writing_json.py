"""A `Writing` as JSON and back: how what one journal appended reaches another.

Everything in a writing is known by content or by an id that is unique everywhere, so taking it in elsewhere needs no
translation but that of run numbers, which every store gives for itself.
"""

from dataclasses import asdict
from typing import Any

from .artifact import Artifact
from .journal import Basis, Cached, Writing
from .records import RECORDS


def to_json(writing: Writing) -> dict[str, Any]:  # Any: JSON
    """Empty parts are left out."""
    body: dict[str, Any] = {
        "events": [[one.kind, one.to_json()] for one in writing.events],
        "cache": [cached_to_json(one) for one in writing.cache],
        "artifacts": [one.to_json() for one in writing.artifacts],
        "objects": [list(one) for one in writing.objects],
        "basis": [asdict(one) for one in writing.basis],
        "definitions": [list(one) for one in writing.definitions],
        "history": [list(one) for one in writing.history],
    }
    return {name: value for name, value in body.items() if value}


def from_json(body: dict[str, Any]) -> Writing:  # Any: JSON that `to_json` wrote
    """Events of a kind that this version does not know are left out."""
    return Writing(
        events=[RECORDS[kind].from_json(one) for kind, one in body.get("events", ()) if kind in RECORDS],
        cache=[cached_from_json(one) for one in body.get("cache", ())],
        artifacts=[Artifact.from_json(one) for one in body.get("artifacts", ())],
        objects=[(one[0], one[1], one[2], one[3]) for one in body.get("objects", ())],
        basis=[Basis(**one) for one in body.get("basis", ())],
        definitions=[(one[0], one[1]) for one in body.get("definitions", ())],
        history=[(one[0], one[1], one[2]) for one in body.get("history", ())],
    )


def cached_to_json(one: Cached) -> dict[str, Any]:  # Any: JSON
    return asdict(one)


def cached_from_json(body: dict[str, Any]) -> Cached:  # Any: JSON
    return Cached(**body)


def joined(writings: list[Writing]) -> Writing:
    """One writing that appends what these append, in their order."""
    whole = Writing()
    for one in writings:
        whole.events += one.events
        whole.cache += one.cache
        whole.artifacts += one.artifacts
        whole.objects += one.objects
        whole.basis += one.basis
        whole.definitions += one.definitions
        whole.history += one.history
    return whole
