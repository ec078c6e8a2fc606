"""What an HTTP server other than a Ray may answer, and what it means to us."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from instep.engine.errors import ClusterError, ClusterRefused, ClusterUnreachable
from instep.remote.http import Http

ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/redirect": (302, {"Location": "http://elsewhere.example/"}, b""),
    "/page": (200, {}, b"<html>welcome</html>"),
    "/gone": (404, {}, b"page not found"),
    "/broken": (502, {}, b"<html>\n<p>bad gateway</p>\n"),
    "/large": (413, {}, b""),
    "/cut": (200, {"Content-Length": "100"}, b"too short"),
    "/long": (200, {}, bytes(2000)),
}


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, headers, body = ANSWERS[self.path]
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/redirect", ClusterRefused, "sends us on to http://elsewhere.example/"),
        ("/page", ClusterUnreachable, "not the dashboard of a Ray cluster"),
        ("/gone", ClusterUnreachable, "not the dashboard of a Ray cluster"),
        ("/broken", ClusterUnreachable, "answered with 502: <p>bad gateway</p>"),
        ("/large", ClusterRefused, "takes no request of that size"),
        ("/cut", ClusterUnreachable, "cannot reach"),
    ],
)
def test_every_other_answer_is_one_sentence(address: str, path: str, kind: type[ClusterError], words: str) -> None:
    http = Http(address, "token")
    with pytest.raises(kind, match=words):
        http.json("GET", path)
    http.close()


def test_an_answer_without_end_does_not_fill_the_memory(address: str) -> None:
    http = Http(address, None)
    with pytest.raises(ClusterUnreachable, match="more than 1000 bytes"):
        http.send("GET", "/long", limit=1000)
    http.close()
