"""What SECURITY.md promises, on a real engine with its real Ray and a project that means no good."""

import encodings.idna  # noqa: F401  a user who may read nothing cannot import it any more
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from cli_project import Project
from screen_kit import opened, text_of, until

from instep.engine.scheduler.ray_local import private_folder, session_folder

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

NASTY = "[/nope][@click=app.quit]\x1b[31m\x1b]0;owned\x07\x9b2J\u202e\r"
NAME = f"x\n✓ all is well{NASTY}.csv".replace("\r", "").replace("/", "")
SECRETS = {"MY_API_KEY": "sekret-hunter2-abc", "OTHER_TOKEN": "tok-98765-zzz", "DB": "postgres://me:geheim77@host/db"}
PIPELINE = """
import ctypes, os
from instep import Each, File, log, step

NASTY = $NASTY

class Evil:
    def __reduce__(self): return os.mkdir, (os.environ["TRAP"],)

@step
def evil(): return Evil()

@step
def evils(): return [Evil(), 1]

@step
def numbers(): return [1, 2]

@step
def evil_item(n=Each("numbers")): return Evil()

@step(env=["MY_API_KEY"])
def secret():
    my_key, other = os.environ["MY_API_KEY"], os.environ["OTHER_TOKEN"]
    print("the key is", my_key)
    os.system("env")
    ctypes.CDLL(None).puts(os.environ["DB"].encode())
    shown = [other, "geheim" + str(77)]
    raise ValueError("bad " + my_key)

@step
def secret_death():
    os.system("env")
    os._exit(3)

@step
def files(data=File("data/*")):
    import polars as pl
    print(NASTY + "loud")
    log(**{NASTY + "loss": 1.0})
    log.text(NASTY, NASTY)
    return pl.DataFrame({NASTY + "column": [NASTY + "cell"]})

@step
def text(): return NASTY + "value"

@step
def error():
    local = NASTY
    print(NASTY, "half \\udcff")
    log(**{"half \\udcff": 1})
    raise ValueError(NASTY + "half \\udcff message\\n✓ forged")
""".replace("$NASTY", repr(NASTY))


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """In a folder that everybody can enter: what keeps others out must be instep's own doing."""
    top = Path(tempfile.mkdtemp(prefix="instep-open-"))
    top.chmod(0o755)
    found = Project(top / "p")
    found.write("instep.toml", f"[project]\nname = {json.dumps(NASTY + 'evil')}\n")
    found.write("pipeline.py", PIPELINE)
    found.write(f"data/{NAME}", "a\n1\n")
    (found.root / "data" / "link.csv").symlink_to("/etc/passwd")
    (found.root / ".instep").mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        found("run", "--note", NASTY + "note", env=SECRETS | {"TRAP": str(top / "trap")})
        yield found
        found.stop()
    finally:
        os.umask(before)
        shutil.rmtree(top)


def engine(project: Project) -> psutil.Process:
    words = ["instep.remote.service", str(project.root)]
    return next(one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[-2:] == words)


def family(project: Project) -> list[psutil.Process]:
    first = engine(project)
    return [first, *first.children(recursive=True)]


def test_everything_listens_on_loopback_or_in_private_folders(project: Project):
    ports, paths = set(), set()
    for process in family(project):
        for one in process.net_connections(kind="inet"):
            if one.status == psutil.CONN_LISTEN or one.type == socket.SOCK_DGRAM:
                ports.add((one.laddr.ip, one.laddr.port))
        paths |= {one.laddr for one in process.net_connections(kind="unix") if one.laddr}
    assert ports and {ip for ip, _ in ports} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert not {port for _, port in ports} & set(range(8265, 8300)), "a dashboard listens"
    inside = [str(project.root / ".instep"), str(private_folder())]
    assert paths and all(path.startswith(tuple(inside)) for path in paths)
    for folder in inside:
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700


def test_ray_takes_nothing_without_the_token(project: Project):
    server = next(one for one in family(project) if one.name() == "gcs_server")
    (port,) = {one.laddr.port for one in server.net_connections(kind="inet") if one.status == psutil.CONN_LISTEN}
    code = f"from ray._raylet import GcsClient; GcsClient(address='127.0.0.1:{port}').internal_kv_keys(b'', None)"
    for token in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):
        env = os.environ | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} | token
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        assert "InvalidAuthToken" in done.stderr, done.stderr[-2000:]


def test_the_token_and_secrets_are_in_no_file(project: Project):
    raylet = next(one for one in family(project) if one.name() == "raylet")
    sought = [one.encode() for one in (raylet.environ()["RAY_AUTH_TOKEN"], *SECRETS.values(), "geheim77")]
    looked = 0
    for folder in (project.root / ".instep", session_folder(project.root / ".instep")):
        for path in folder.rglob("*"):
            if path.is_file():
                looked += 1
                content = path.read_bytes()
                assert not [one for one in sought if one in content], path
    assert looked > 30
    document = project("show", "latest/secret", "--json").document
    assert document["error"]["title"] == "ValueError: bad •••"
    assert document["error"]["frames"][-1]["locals"]["shown"] == "['•••', '•••']"
    log = project("log", "latest/secret").out + project("log", "latest/secret_death").out
    assert "the key is •••" in log and log.count("MY_API_KEY=***") == 2 and "postgres://me:********@host/db" in log


def test_the_store_is_the_owners_alone(project: Project):
    project("compare", "latest", "now")
    project("verify")
    modes = {path: path.lstat().st_mode for path in (project.root / ".instep").rglob("*")}
    assert len(modes) > 30
    assert not [path for path, mode in modes.items() if mode & 0o077 and not stat.S_ISLNK(mode)]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_of_the_machine_gets_nothing(project: Project):
    store = project.root / ".instep"
    paths = [str(one) for one in [store, *store.rglob("*")]]
    session = session_folder(store)
    listening = [
        (process.name(), one.laddr.port)
        for process in family(project)
        for one in process.net_connections(kind="inet")
        if one.status == psutil.CONN_LISTEN
    ]
    pids = [one.pid for one in family(project)]

    def attack() -> list[str]:
        got = [path for path in paths if _works(lambda path=path: os.close(os.open(path, os.O_RDONLY)))]
        folders = (store, session, session.parent)
        got += [str(path) for path in folders if _works(lambda path=path: list(path.iterdir()))]
        channel = socket.socket(socket.AF_UNIX)
        got += ["the socket"] * _works(lambda: channel.connect(str(store / "engine.sock")))
        got += [f"signal to {pid}" for pid in pids if _works(lambda pid=pid: os.kill(pid, 0))]
        environments = [Path(f"/proc/{pid}/environ") for pid in pids]
        got += [str(path) for path in environments if _works(path.read_bytes)]
        return got + [f"{name} answers {told}" for name, port in listening if (told := _asked(port)) not in ("", "401")]

    got = as_nobody(attack)
    # Numbers about Ray itself (memory, tasks) in Prometheus' format: SECURITY.md says so.
    # With `ray[default]` installed more than one of its processes does so.
    assert [one for one in got if not one.endswith(" answers metrics")] == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_an_engine_that_is_not_ours_is_told_nothing():
    fake = Project(Path(tempfile.mkdtemp(prefix="instep-fake-")) / "p")
    fake.write("instep.toml", "")
    fake.write("pipeline.py", "from instep import step\n@step\ndef a(): return 1\n")
    (fake.root / ".instep").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(fake.root / ".instep" / "engine.sock"))
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        listener.listen(8)
        heard = b""
        while not heard.endswith(b"stop"):
            channel, _ = listener.accept()
            with channel:
                heard += channel.recv(1 << 16)
        os._exit(len(heard) - 4)
    listener.close()
    try:
        for words in (["run"], ["status"], ["stop"]):
            told = fake(*words)
            assert "run by user 65534" in told.err or words == ["status"]
    finally:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(fake.root / ".instep" / "engine.sock"))
            last.sendall(b"stop")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        shutil.rmtree(fake.root.parent)


COMMANDS = [
    ["status", "--verbose"], ["status", "--json"], ["runs"], ["show", "latest", "--json"], ["show", "latest"],
    ["show", "latest/error"], ["show", "latest/files"], ["show", "latest/evil"], ["why", "error"], ["why", "latest"],
    ["log", "latest"], ["log", "latest", "--json"], ["out", "latest/evil"], ["out", "latest/evils"],
    ["out", "latest/evil_item"], ["out", "latest/text"], ["out", "latest/files"], ["compare", "1", "2", "--all"],
    ["compare", "1", "now"], ["sql", "from run"], ["sql", "select * from run_1.files"], ["verify"], ["gc", "--dry-run"],
    ["run", "error"], ["nonsense\x1b[31m"], ["show", "latest/\x1b[31mx"], ["run", "--set", "x\x1b[31m=1"],
]  # fmt: skip


@pytest.fixture(scope="module")
def second(project: Project) -> Project:
    project("run", "--fresh", "--note", "again", env=SECRETS | {"TRAP": str(project.root.parent / "trap")})
    return project


def test_no_command_prints_what_a_terminal_obeys_nor_unpickles(second: Project):
    for words in COMMANDS:
        told = second(*words)
        for text in (told.out, told.err):
            found = re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
            assert not found, (words, text[max(0, found.start() - 200) : found.end()])
            assert not re.search(r"^✓ (all is well|forged)", text, re.M), (words, text)
    trap = second.root.parent / "trap"
    for output, ending in (("evil", "pkl"), ("evils", "json"), ("evil_item", "json"), ("files", "csv")):
        assert second("out", f"2/{output}", str(second.root.parent / f"out.{ending}")).code == 0
    assert not trap.exists()
    with pytest.raises(FileExistsError):  # the trap works: who loads the value runs its code
        second.root.parent.joinpath("trap").mkdir()
        os.environ["TRAP"] = str(trap)
        from instep import open_project

        open_project(str(second.root)).run(1)["evil"]
    trap.rmdir()


def test_a_file_whose_name_is_no_text_is_refused(second: Project):
    odd = second.root / "data" / "no\udcff.csv"
    odd.write_text("")
    told = second("run", "files")
    odd.unlink()
    assert told.code == 2
    assert "step `files`: the name of the file `data/no?.csv` is not UTF-8" in told.out
    assert second("show", "2/error", "--json").document["error"]["title"].startswith("ValueError: ")


@pytest.mark.asyncio
async def test_no_place_of_the_screen_draws_what_a_terminal_obeys_nor_unpickles(second: Project):
    async with opened(second.root) as (app, pilot):
        await until(pilot, lambda: "evil_item" in text_of(app))
        for place in ("pipeline", "runs", "compare", "data", "logs", "timeline"):
            await app.show_place(place)
            for key in ("", "j", "enter", "j", "tab", "]", "j", "j", "tab", "]", "]", "j", "j", "j"):
                if key:
                    await pilot.press(key)
                await pilot.pause()
                strips = app.screen._compositor.render_strips()
                text = "".join(segment.text for strip in strips for segment in strip)
                found = re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
                assert not found, (place, key, text[max(0, found.start() - 200) : found.end() + 50])
    assert not (second.root.parent / "trap").exists()


def _works(call: Callable[[], object]) -> bool:
    try:
        call()
    except OSError:
        return False
    return True


def _asked(port: int) -> str:
    """What a port answers to HTTP: a status, `metrics`, or nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as channel:
            channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while block := channel.recv(1 << 16):
                answer += block
    except OSError:
        return ""
    if not answer.startswith(b"HTTP/"):
        return ""
    return "metrics" if b"\n# HELP" in answer else answer.split()[1].decode()


def as_nobody(attack: Callable[[], list[str]]) -> list[str]:
    """What `attack` gets as the user `nobody`; it may use only what is imported: Python itself may be out of reach."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writer, json.dumps(attack()).encode())
        except BaseException as error:
            os.write(writer, json.dumps([f"the attack itself failed: {error!r}"]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        told = file.read()
    os.waitpid(child, 0)
    return json.loads(told)
