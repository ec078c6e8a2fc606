"""One HTTP client for one cluster: its own time-outs, its own limits, and every mishap as one clear sentence.

What comes back decides: 401 and 403 refuse us; everything else that is no answer (no connection, none in time, a broken
one, 5xx, what no Ray would say) means only that we cannot see the cluster now.

A proxy of the environment (`HTTPS_PROXY`) is honoured for addresses beyond this machine and never for loopback, where
the other end of a tunnel is; `RAY_ADDRESS` is not read at all. Redirects are not followed: the token would go along.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from ..engine.errors import ClusterError, ClusterRefused, ClusterUnreachable
from ..engine.ids import Json

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0
MAX_BYTES = 256 * 1024 * 1024
"""More than any answer has: what comes from a cluster must not fill the memory here."""
_DASHBOARD = (
    "Is the cluster up, is this the port of its dashboard (8265; it needs `ray[default]`), and is the tunnel open?"
)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Http:
    """Requests to `address`. Usable from several threads; nothing is imported or opened before the first request."""

    def __init__(self, address: str, token: str | None) -> None:
        self.address = address.rstrip("/")
        self._token = token
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Json = None,
        data: bytes | None = None,
        seconds: float = ANSWER_SECONDS,
        limit: int = MAX_BYTES,
    ) -> Reply:
        """The whole reply of any status but 401, 403 and redirects. `seconds` without a byte is too long.

        Raises ClusterRefused and ClusterUnreachable.
        """
        import httpx

        content = data if data is not None else (json.dumps(body).encode() if body is not None else None)
        kind = {"Content-Type": "application/json"} if body is not None else {}
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        try:
            with self._open().stream(
                method, path, params=query, content=content, headers=kind, timeout=timeout
            ) as response:
                found = bytearray()
                for part in response.iter_raw():
                    found += part
                    if len(found) > limit:
                        raise ClusterUnreachable(f"{self.address} sent more than {limit} bytes for {path}")
                self._let_in(response)
                return Reply(response.status_code, bytes(found))
        except httpx.TimeoutException as error:
            waited = CONNECT_SECONDS if isinstance(error, httpx.ConnectTimeout) else seconds
            raise ClusterUnreachable(f"{self.address} did not answer within {waited:.0f} s", mend=_DASHBOARD) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ClusterUnreachable(f"cannot reach {self.address}: {_cause(error)}", mend=_DASHBOARD) from None

    def json(self, method: str, path: str, **more: object) -> Json:
        """What a reply of status 200 says. Raises as `send` does, and for every other status."""
        reply = self.send(method, path, **more)  # pyright: ignore[reportArgumentType]  they are those of `send`
        if not reply.ok:
            raise self.unexpected(reply)
        return self.parse(reply)

    def parse(self, reply: Reply) -> Json:
        try:
            return cast("Json", json.loads(reply.body))
        except ValueError:
            raise self.unexpected(reply) from None

    def unexpected(self, reply: Reply) -> ClusterError:
        """The error for a reply that is no answer to what was asked."""
        told = _last_line(reply.text)
        if reply.status == 413:
            return ClusterRefused(f"{self.address} takes no request of that size")
        if reply.status == 400:
            return ClusterRefused(f"{self.address} does not understand what was asked: {told}")
        if reply.ok or reply.status == 404:
            return ClusterUnreachable(
                f"something answers at {self.address}, but it is not the dashboard of a Ray cluster", mend=_DASHBOARD
            )
        return ClusterUnreachable(f"{self.address} answered with {reply.status}: {told or 'nothing more'}")

    def _open(self) -> "httpx.Client":
        import httpx

        with self._lock:
            if self._client is None:
                headers = {"Accept-Encoding": "identity", "User-Agent": "instep"}
                if self._token:
                    headers["Authorization"] = f"Bearer {self._token}"
                self._client = httpx.Client(
                    base_url=self.address,
                    headers=headers,
                    trust_env=not is_loopback(urlsplit(self.address).hostname or ""),
                    follow_redirects=False,
                    limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
                )
            return self._client

    def _let_in(self, response: "httpx.Response") -> None:
        if response.status_code in (401, 403):
            if not self._token:
                raise ClusterRefused(
                    f"{self.address} wants a token, and the profile names none",
                    mend='Add `token = { env = "NAME" }` or `{ file = "…" }` to the cluster in the configuration.',
                )
            raise ClusterRefused(
                f"{self.address} does not accept this token",
                mend="Is it that of this cluster, and is this the cluster at that address?",
            )
        if response.is_redirect:
            to = response.headers.get("Location", "elsewhere")
            raise ClusterRefused(
                f"{self.address} sends us on to {to}", mend="Give the final address; the token goes nowhere else."
            )


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cause(error: Exception) -> str:
    text = str(error).strip()
    return text.removeprefix("[Errno 111] ") or type(error).__name__


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip(" .\t")]
    return lines[-1][:300] if lines else ""
