"""Buckets on this machine, as tests have them."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KEYS = {
    "AWS_ACCESS_KEY_ID": "one",
    "AWS_SECRET_ACCESS_KEY": "two",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Credentials of each side; moto takes any until it is told not to."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """A server with a bucket `there`."""

    kind: Literal["s3", "gs"]
    port: int

    def url(self, bucket: str = "there") -> str:
        more = "region=us-east-1" if self.kind == "s3" else "anonymous=true"
        return f"{self.kind}://{bucket}/some/folder?scheme=http&endpoint_override=127.0.0.1:{self.port}&{more}"

    def send(self, method: str, path: str, data: bytes = b"") -> bytes:
        headers = {"Content-Type": "application/json" if self.kind == "gs" else "text/plain"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", data, headers, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
            return reply.read()

    def make(self) -> None:
        if self.kind == "s3":
            self.send("PUT", "there")
        else:
            self.send("POST", "storage/v1/b", json.dumps({"name": "there"}).encode())

    def only_known_keys(self, known: bool) -> None:
        """Whether keys that nobody gave out are refused from now on."""
        self.send("POST", "moto-api/reset-auth", b"0" if known else b"inf")


@contextmanager
def served(kind: Literal["s3", "gs"]) -> Generator[Buckets]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("bucket_server.py")), kind],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = next(line for line in process.stdout if line.strip().isdigit())
        found = Buckets(kind, int(port))
        found.make()
        yield found
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
