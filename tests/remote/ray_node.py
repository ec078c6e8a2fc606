"""`ray start` for one node of a cluster that lives on this machine alone; run by any interpreter that has a Ray.

Ray replaces a loopback address by that of the network, where everybody could reach the node; a cluster of tests stays
on loopback. The node ends with the process that started it: `ray start --block` leaves a reaper behind that ends the
node's own processes once it is gone.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = int(sys.argv.pop(1))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before it could be told of
            sys.exit(1)
    # What the node starts reads this and stays on loopback; only this process may say otherwise, to be let join.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    from ray._private import ray_constants, services
    from ray.scripts.scripts import main as ray

    ray_constants.ENABLE_RAY_CLUSTER = True
    services.resolve_ip_for_localhost = lambda host: host

    ray()


main()
