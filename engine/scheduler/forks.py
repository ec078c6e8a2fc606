"""A child that a step forked must end where the step's function ends.

Otherwise two processes go on as the worker: the child would store a second result and answer on the parent's
connection. So it ends as a Python process does: its exception is printed, its exit code says how it went.
"""

import contextlib
import os
import sys
import traceback
from os import getpid
from typing import NoReturn


def end_forked(owner: int) -> None:
    """To be called where the user's code has returned or raised: does nothing in the process `owner`."""
    if getpid() != owner:
        _end(sys.exc_info()[1])


def _end(error: BaseException | None) -> NoReturn:
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    elif error is not None:
        code = 1
        with contextlib.suppress(Exception):
            traceback.print_exception(error)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
