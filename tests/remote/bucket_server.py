"""A server of buckets on loopback, until nobody listens any more: `python bucket_server.py s3|gs` prints its port.

S3 is moto's server, Cloud Storage is gcp-storage-emulator: what a client of either sees is what it sees elsewhere.
"""

import contextlib
import os
import socket
import sys


def main() -> None:
    if sys.argv[1] == "s3":
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        port = server.get_host_and_port()[1]
    else:
        from gcp_storage_emulator.server import create_server

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = create_server("127.0.0.1", port, in_memory=True)
        server.start()
    with os.fdopen(os.dup(1), "w") as out:
        print(port, file=out)
    sys.stdin.read()
    with contextlib.suppress(Exception):
        server.stop()


if __name__ == "__main__":
    main()
