"""What determines a step, and the key made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .digest import digest, digests_of_product
from .fingerprint import Fingerprint
from .ids import Digest, Json, StepName

_STEP = "step-key/1"
_ITEM = "item-key/1"


@dataclass(frozen=True, slots=True)
class Determinants:
    """All that a step's key is made of, in the words that reasons are given in.

    `inputs` maps an argument to the identity of the artifact that arrives there, `origin` an argument to the step it
    comes from; `files` an argument to its pattern's members and their hashes; `env` a declared variable to the digest
    of its value (None: not set).
    """

    step: StepName
    fingerprint: Fingerprint
    params: Mapping[str, Json]
    inputs: Mapping[str, Digest]
    origin: Mapping[str, str]
    files: Mapping[str, tuple[tuple[str, Digest], ...]]
    env: Mapping[str, Digest | None]
    packages: Mapping[str, str]
    python: str
    version: str
    outputs: tuple[str, ...]
    fans: tuple[str, ...] = field(default=())

    def _common(self) -> tuple[Any, ...]:  # Any: fields of a digest
        return (
            self.step,
            self.fingerprint.digest,
            self.params,
            {argument: [list(member) for member in found] for argument, found in self.files.items()},
            self.env,
            self.packages,
            self.python,
            self.version,
            list(self.outputs),
        )

    def key(self) -> Digest:
        """The step key: of the whole step, all items of its `Each` arguments together."""
        return digest(_STEP, *self._common(), self.inputs, list(self.fans))

    def item_keys(self, names: Sequence[str], identities: Sequence[Sequence[Digest]], count: int) -> list[Digest]:
        """The keys of the first `count` items; `identities` are those that each of the `Each` arguments `names` has."""
        base = digest(_ITEM, *self._common(), {k: v for k, v in self.inputs.items() if k not in self.fans})
        return digests_of_product(_ITEM, base, names, identities, count)

    def params_hash(self) -> Digest:
        return digest("params/1", self.params)

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """What the next plan compares with to say what changed; sources are kept once, by the digest of their unit."""
        return {
            "fingerprint": self.fingerprint.digest,
            "units": {one.id: [one.digest, one.kind, str(one.place)] for one in self.fingerprint.units},
            "params": dict(self.params),
            "inputs": dict(self.inputs),
            "origin": dict(self.origin),
            "files": {argument: [list(member) for member in found] for argument, found in self.files.items()},
            "env": dict(self.env),
            "packages": dict(self.packages),
            "python": self.python,
            "version": self.version,
            "outputs": list(self.outputs),
        }
