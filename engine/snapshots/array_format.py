"""NumPy arrays as `.npy`, mapped on load."""

from typing import IO, TYPE_CHECKING, Any

from .artifact import Artifact
from .content_hash import hash_array
from .format import Dumped, OneFile, Unfit, is_instance
from .objects import ObjectStore
from .preview import clean

if TYPE_CHECKING:
    import numpy as np

_SAMPLE = 100_000


class ArrayFormat(OneFile):
    """Arrays without Python objects in them. Always written in C order; the carrier `numpy/F` is an array that the
    consumer gets in Fortran order, as it was."""

    name = "npy"
    kind = "array"
    endings = (".npy", ".csv")

    def accepts(self, value: object) -> bool:
        return is_instance(value, "numpy", "ndarray", "memmap")

    def dump(self, value: object) -> Dumped:
        import numpy as np

        array: np.ndarray[Any, Any] = np.asarray(value)  # Any: every shape and dtype
        _check(array)
        plain = np.require(array, requirements="C")
        fortran = array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous
        artifact = Artifact(
            hash_array(plain),
            *(self.kind, self.name, "numpy/F" if fortran else "numpy", plain.nbytes),
            rows=len(array) if array.ndim else None,
            schema={"dtype": str(array.dtype), "shape": list(array.shape)},
            summary=_summary(plain),
            preview=_preview(array),
        )
        return Dumped(artifact, lambda file: _write(plain, file))

    def parse(self, artifact: Artifact, data: memoryview) -> object:
        import numpy as np

        array = _parse(data)
        return np.asfortranarray(array) if artifact.carrier == "numpy/F" else array

    def export(self, artifact: Artifact, objects: ObjectStore, ending: str, file: IO[bytes]) -> None:
        if ending == ".npy":
            super().export(artifact, objects, ending, file)
            return
        import numpy as np

        array: Any = self.load(artifact, objects)  # Any: every shape and dtype
        if array.ndim not in (1, 2) or array.dtype.names:
            raise Unfit(f"an array of {array.ndim} dimensions is no table; use .npy")
        np.savetxt(file, array, delimiter=",", fmt="%s" if array.dtype.kind not in "f" else "%.17g", encoding="utf-8")


def _check(array: "np.ndarray[Any, Any]") -> None:
    """Raises Unfit for dtypes that `.npy` cannot give back exactly."""
    import numpy as np

    dtype = array.dtype
    if dtype.hasobject or dtype.kind == "T" or dtype.metadata is not None:
        raise Unfit(f"dtype {dtype}")
    try:
        same = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) == dtype
    except (ValueError, TypeError) as error:
        raise Unfit(str(error)) from None
    if not same:
        raise Unfit(f"dtype {dtype}")


def _write(array: "np.ndarray[Any, Any]", file: IO[bytes]) -> None:
    import numpy as np

    header = np.lib.format.header_data_from_array_1_0(array)
    _write_header(file, header)
    if array.size and array.dtype.itemsize:
        file.write(memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8)))


def _write_header(file: IO[bytes], header: dict[str, Any]) -> None:
    import numpy as np

    try:
        np.lib.format.write_array_header_1_0(file, header)
    except (ValueError, UnicodeEncodeError):
        np.lib.format.write_array_header_2_0(file, header)


def _parse(data: memoryview) -> "np.ndarray[Any, Any]":
    import io

    import numpy as np

    start = io.BytesIO(data[: 1 << 16] if len(data) > 1 << 16 else data)
    version = np.lib.format.read_magic(start)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(start, max_header_size=1 << 16)
    count = int(np.prod(shape, dtype=np.int64))
    if not count or not dtype.itemsize:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype, count, start.tell()).reshape(shape)


def _summary(array: "np.ndarray[Any, Any]") -> dict[str, Any]:
    """Numbers of a sample of at most `_SAMPLE` elements. Any: JSON."""
    from .columns import numbers

    if array.dtype.kind not in "biuf" or not array.size:
        return {}
    flat = array.reshape(-1)
    step = -(-flat.size // _SAMPLE)
    found = numbers(flat[::step])
    return found | {"sampled": -(-flat.size // step)} if step > 1 else found


def _preview(array: "np.ndarray[Any, Any]") -> str:
    import numpy as np

    shape = " × ".join(map(str, array.shape)) or "one value"
    with np.printoptions(threshold=50, edgeitems=3, linewidth=100):
        return clean(f"array {array.dtype}, {shape}\n{array}")
