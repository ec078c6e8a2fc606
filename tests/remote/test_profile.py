"""`[clusters.NAME]` → `Profile`: mistakes with their place, and never a token in a file that is committed."""

from pathlib import Path

import pytest

from instep.engine.errors import ClusterRefused, ProjectError, UsageError
from instep.engine.project import Project, load_project
from instep.remote.profile import Profile, profile, profiles

GPU = '[clusters.gpu]\naddress = "http://127.0.0.1:8265/"\n'


def project(folder: Path, text: str) -> Project:
    (folder / "instep.toml").write_text(text)
    return load_project(folder)


def test_a_profile_needs_an_address_and_has_defaults_for_the_rest(tmp_path: Path) -> None:
    assert profile(project(tmp_path, GPU), "gpu") == Profile("gpu", "http://127.0.0.1:8265")


def test_everything_that_a_profile_may_say_is_read(tmp_path: Path) -> None:
    more = 'token = { env = "T" }\nstorage = "s3://bucket/x"\non_mismatch = "build"\nallow_open = true\nfetch = "all"\n'
    found = profiles(project(tmp_path, GPU + more + '[clusters.other]\naddress = "https://ray.example.com"\n'))
    assert list(found) == ["gpu", "other"]
    assert found["gpu"] == Profile(
        "gpu", "http://127.0.0.1:8265", {"env": "T"}, "s3://bucket/x", "build", allow_open=True, fetch="all"
    )


def test_a_name_that_is_not_there_gets_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)no cluster `gpuu` in instep.toml.*Did you mean `gpu`"):
        profile(project(tmp_path, GPU), "gpuu")
    with pytest.raises(UsageError, match=r"(?s)no cluster `gpu`.*docs/clusters.md"):
        profile(project(tmp_path, ""), "gpu")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GPU + 'adress = "x"\n', 3, r"(?s)unknown key `adress` in \[clusters.gpu\].*Did you mean `address`"),
        (GPU + 'token = "abcdef"\n', 3, r"(?s)must not be the token itself.*committed.*env ="),
        (GPU + "token = { env = 3 }\n", 3, "must say where it comes from"),
        (GPU + 'token = { env = "A", file = "/b" }\n', 3, "must say where it comes from"),
        (GPU + 'token = { env = "0ab-cd" }\n', 3, "must say where it comes from"),
        (GPU + 'token = { file = "token.txt" }\n', 3, "(?s)without saying where.*does not belong into the project"),
        (GPU + 'storage = "bucket"\n', 3, "`storage` must be a URL, not 'bucket'"),
        (GPU + 'storage = "s3://key:secret@bucket"\n', 3, "must not contain a user or a password"),
        (GPU + 'on_mismatch = "ignore"\n', 3, '`on_mismatch` must be "refuse" or "warn" or "build", not \'ignore\''),
        (GPU + "fetch = true\n", 3, "`fetch` must be"),
        (GPU + 'allow_open = "yes"\n', 3, "`allow_open` must be true or false"),
        ("[clusters.gpu]\n", 1, r"(?s)\[clusters.gpu\] has no `address`.*8265"),
        ('[clusters.gpu]\naddress = "ray://host:10001"\n', 2, "`address` must be a URL, not 'ray://host:10001'"),
        ('[clusters.gpu]\naddress = "http://me:secret@host"\n', 2, "must not contain a user or a password"),
        (GPU + '[clusters.local]\naddress = "http://h:1"\n', 3, "a cluster cannot be called `local`"),
        ('[clusters."a/b"]\naddress = "http://h:1"\n', 1, "a cluster cannot be called `a/b`"),
        ("[clusters]\ngpu = 3\n", 0, "`clusters.gpu` must be a table"),
    ],
)
def test_every_mistake_has_its_line_and_a_mend(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(ProjectError, match=words) as told:
        project(tmp_path, text)
    assert [problem.place.line for problem in told.value.problems if problem.place] == [line]


def test_a_key_is_placed_in_its_own_cluster_and_in_pyproject_too(tmp_path: Path) -> None:
    text = '[tool.instep.clusters.a]\naddress = "http://h:1"\n[tool.instep.clusters.b]\naddress = 3\n'
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ProjectError, match="`address` must be a URL, not 3") as told:
        load_project(tmp_path)
    assert str(told.value.problems[0].place) == "pyproject.toml:4"


def test_a_token_comes_from_the_environment_at_the_moment_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Profile("gpu", "http://h:1", {"env": "GPU_TOKEN"})
    monkeypatch.delenv("GPU_TOKEN", raising=False)
    with pytest.raises(ClusterRefused, match=r"(?s)GPU_TOKEN, which is not set.*export GPU_TOKEN="):
        one.read_token()
    monkeypatch.setenv("GPU_TOKEN", " secret\n")
    assert one.read_token() == "secret"
    assert Profile("gpu", "http://h:1").read_token() is None


def test_a_token_comes_from_a_file_that_others_should_not_read(tmp_path: Path) -> None:
    path = tmp_path / "token"
    one = Profile("gpu", "http://127.0.0.1:1", {"file": str(path)})
    with pytest.raises(ClusterRefused, match=r"cannot be read \(No such file"):
        one.read_token()
    path.write_text("\n")
    with pytest.raises(ClusterRefused, match="which is empty"):
        one.read_token()
    path.write_text("secret\n")
    path.chmod(0o644)
    assert one.read_token() == "secret"
    assert [text for text in one.doubts() if "Others on this machine may read" in text]
    path.chmod(0o600)
    assert one.doubts() == ()


def test_a_connection_that_anybody_can_read_is_doubted_and_one_through_a_tunnel_is_not() -> None:
    assert "not encrypted" in Profile("a", "http://10.0.0.4:8265").doubts()[0]
    for address in ("http://127.0.0.1:8265", "http://localhost:1", "http://[::1]:1", "https://ray.example.com"):
        assert Profile("a", address).doubts() == ()


def test_a_profile_never_shows_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_TOKEN", "secret")
    one = Profile("gpu", "http://h:1", {"env": "GPU_TOKEN"})
    one.read_token()
    assert "secret" not in repr(one)
