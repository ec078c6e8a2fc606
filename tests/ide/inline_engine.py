"""`python inline_engine.py ROOT`: the engine's real service with the executor that runs steps in its own process."""

import signal
import sys
from pathlib import Path

from instep.engine.scheduler.inline_executor import InlineExecutor
from instep.engine.service import Service
from instep.engine.session import Session

root = Path(sys.argv[1])
service = Service(root, Session(root, lambda _, emit: InlineExecutor(emit)))
assert service.session.take_lease()
signal.signal(signal.SIGTERM, lambda *_: service.stop())
service.serve()
