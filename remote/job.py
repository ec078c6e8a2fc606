"""The job that drives a run on the cluster: it starts the agent, and starts it again when it is killed.

    python -m instep.remote.job RUN_ID SLUG

Standard library only: this process does nothing but wait for another.
"""

import signal
import subprocess
import sys

ATTEMPTS = 3
"""How often the agent is started when it dies by a signal; it goes on after the last step that had finished."""


def main() -> int:
    command = [sys.executable, "-m", "instep.remote.agent", *sys.argv[1:]]
    ending = False
    for _ in range(ATTEMPTS):
        process = subprocess.Popen(command)

        def end(_number: int, _frame: object, child: "subprocess.Popen[bytes]" = process) -> None:
            nonlocal ending
            ending = True
            child.terminate()

        signal.signal(signal.SIGTERM, end)
        code = process.wait()
        if code >= 0 or ending:
            return max(code, 0)
        print(f"the agent was ended by signal {-code}; it is started again", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
