"""One registry: no key means two things in a place, every action exists, and the README's table is made of it."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from instep.ide import keys
from instep.ide.app import InstepApp
from instep.ide.places import PLACES

ROOT = Path(__file__).parents[2]


def test_no_key_means_two_things_in_one_place() -> None:
    assert keys.conflicts() == []


@pytest.mark.parametrize("place", sorted({*keys.PLACES, "start"}))
def test_every_action_of_a_place_can_be_done_there(place: str) -> None:
    from instep.ide.widgets.line_view import LineView

    module, name = PLACES[place]
    kinds = [getattr(import_module(f"instep.ide.screens.{module}"), name), LineView, InstepApp]
    for one in keys.valid_in(place):
        if one.places:
            assert any(hasattr(kind, f"action_{one.name}") for kind in kinds), f"{place}: {one.name}"


def test_a_sequence_waits_for_its_second_key() -> None:
    assert keys.find("pipeline", "g") is None
    assert keys.begins("pipeline", "g")
    assert keys.find("pipeline", "gg").name == "first"
    assert not keys.begins("pipeline", "j")


def test_keys_are_called_what_they_print() -> None:
    assert keys.key_of("question_mark", "?") == "?"
    assert keys.key_of("escape", "\x1b") == "esc"
    assert keys.key_of("space", " ") == "space"
    assert keys.key_of("ctrl+d", "\x04") == "ctrl+d"


def test_the_readme_has_the_table_of_keys() -> None:
    text = (ROOT / "README.md").read_text()
    found = re.search(r"<!-- keys -->\n(.*?)\n<!-- /keys -->", text, re.DOTALL)
    assert found, "README has a place for the table"
    assert found[1].strip() == keys.table().strip(), "run docs/fill_keys.py"
