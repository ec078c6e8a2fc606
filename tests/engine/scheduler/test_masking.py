"""Secrets in the environment are told from other values, and masked wherever text is kept."""

import pytest

from instep.engine.scheduler.assignment import Failure, Frame
from instep.engine.scheduler.masking import mask_of, masked, scrub, secrets_of


@pytest.mark.parametrize(
    ("env", "secrets"),
    [
        ({"API_KEY": "abcdef"}, ("abcdef",)),
        ({"github_token": "abcdef", "DbPassword": "longer-one"}, ("longer-one", "abcdef")),
        ({"URL": "postgres://me:secret-word@host:5432/db?x=1"}, ("secret-word",)),
        ({"URL": "https://host/path:8080/@x"}, ()),
        ({"PWD": "/home/me/project", "OLDPWD": "/home/me", "KEYBOARD": "german", "MONKEY": "gorilla"}, ()),
        ({"MAX_TOKENS": "100000", "KEY_SIZE": "2048.5", "SHORT_KEY": "12ab", "EMPTY_KEY": "", "GONE_KEY": None}, ()),
    ],
)
def test_which_values_are_secret(env, secrets):
    assert secrets_of(env) == secrets


def test_the_longest_is_masked_first():
    assert mask_of(secrets_of({"A_KEY": "abcdef", "B_KEY": "abcdefgh"}))("x abcdefgh abcdef") == "x ••• •••"
    assert mask_of(())("abcdef") == "abcdef"


def test_everything_of_a_failure_is_masked():
    frames = (Frame("a.py", 1, "f", "f('s3cret')", {"x": "'s3cret'"}),)
    failure = Failure("raised", "E: s3cret", "s3cret", "", frames, {"y": "s3cret"}, "trace s3cret")
    assert "s3cret" not in str(masked(failure, mask_of(("s3cret",))))


def test_what_others_wrote_into_a_live_file_is_overwritten_and_our_own_lines_stay_whole(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_bytes(b'{"k":"metric","n":"loss"}\nraw metric loss \xff\nmetric')
    scrub(str(path), ("metric",))
    assert path.read_bytes() == b'{"k":"metric","n":"loss"}\nraw ****** loss \xff\n******'
    (tmp_path / "empty").touch()
    scrub(str(tmp_path / "empty"), ("metric",))
    scrub(str(tmp_path / "missing"), ("metric",))


def test_a_step_that_prints_and_raises_its_secret_keeps_it(bench, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "tok-12345")
    bench.step("""
        import os
        def work():
            print("it is", os.environ["MY_TOKEN"], "or", os.environ["GIVEN_KEY"])
            raise ValueError(os.environ["MY_TOKEN"])
    """)
    failure = bench.failure(env={"GIVEN_KEY": "key-67890"})
    assert failure.title == "ValueError: •••"
    assert bench.lines() == ["it is ••• or •••"]
