"""Shifts the clock of a process by as many nanoseconds as stand in the file that INSTEP_FAULTS_CLOCK names.

Python imports this at its start when the folder is on PYTHONPATH. Only the wall clock of Python code moves, at any
moment and in every process at once; the kernel's (file times, time-outs) stays, as it does for a shared disk.
"""

import mmap
import os
import struct
import time
from pathlib import Path

_path = os.environ.get("INSTEP_FAULTS_CLOCK")
if _path and Path(_path).exists():
    with Path(_path).open("rb") as _file:
        _shift = mmap.mmap(_file.fileno(), 8, prot=mmap.PROT_READ)
    _time_ns = time.time_ns

    def _shifted_ns() -> int:
        return _time_ns() + struct.unpack("q", _shift[:8])[0]

    time.time_ns = _shifted_ns
    time.time = lambda: _shifted_ns() / 1e9
