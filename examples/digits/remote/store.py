"""A network in one byte a weight, for machines that have little memory, and back."""

import io

import numpy as np

from engine import Network


def pack(network: Network) -> bytes:
    """Whole numbers from -127 to 127 and one scale for each layer; about an eighth of the size."""
    packed = {}
    for name, weights in (("first", network.first), ("second", network.second)):
        scale = float(np.abs(weights).max()) / 127
        packed[name], packed[f"{name}_scale"] = np.round(weights / scale).astype(np.int8), np.float64(scale)
    file = io.BytesIO()
    np.savez(file, **packed)
    return file.getvalue()


def unpack(content: bytes) -> Network:
    with np.load(io.BytesIO(content)) as packed:
        first, second = (packed[name] * packed[f"{name}_scale"] for name in ("first", "second"))
    return Network(first, second)
