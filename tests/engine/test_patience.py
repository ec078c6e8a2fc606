"""Objects of the user's are asked, and given up when they take too long."""

import sys
import threading
import time

import pytest

from instep.engine.patience import TooSlow, within
from instep.engine.scheduler.failure import message_of, summarise
from instep.engine.snapshots.preview import of_value


def test_an_answer_and_an_error_come_through() -> None:
    assert within(1, lambda: "text") == "text"
    with pytest.raises(ZeroDivisionError):
        within(1, lambda: 1 / 0)
    with pytest.raises(RuntimeError, match="SystemExit was raised"):
        within(1, lambda: sys.exit(3))


def test_a_loop_without_end_is_ended_and_its_class_not_asked_again() -> None:
    asked: list[int] = []

    class Endless:
        def __repr__(self) -> str:
            asked.append(1)
            while True:
                pass

    assert summarise(Endless()) == "<Endless: its repr takes too long>"
    assert "takes too long" in of_value([Endless(), {"a": Endless()}])
    assert len(asked) == 1
    deadline = time.monotonic() + 30
    while any(one.name == "instep-asking" for one in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_edited_class_is_asked() -> None:
    def made(seconds: float) -> object:
        class Once:
            def __repr__(self) -> str:
                time.sleep(seconds)
                return "shown"

        return Once()

    with pytest.raises(TooSlow):
        within(slow := made(3), lambda: repr(slow), 0.05)
    assert summarise(made(0)) == "shown"


def test_a_number_of_too_many_digits_is_named() -> None:
    for value in (10**10_000, [10**10_000]):
        assert "repr" in summarise(value)
        assert "repr" in of_value(value)


def test_messages_are_asked_in_the_same_way() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert message_of(Odd()) == "<its message cannot be shown: __str__ raised ValueError>"
