"""Answers one by one: in order, and not caught by the bar of a terminal."""

from __future__ import annotations

import sys

import pytest

from bodysounds.commands.answers import answers, some_answered
from bodysounds.commands.shared import say_json


def halved(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


@pytest.mark.parametrize("printed", [False, True])
def test_the_bar_of_a_terminal_leaves_what_is_printed_alone(
    printed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as where standard error is a terminal
    for one, half in answers(halved, [2, 4, 6], "halve", printed):
        say_json([one, half])
    caught = capsys.readouterr()
    assert caught.out == "[2, 1]\n[4, 2]\n[6, 3]\n"
    assert "halve" in caught.err


def test_where_a_terminal_shows_the_answers_there_is_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert len(list(answers(halved, [2, 4], "halve", printed=True))) == 2
    assert capsys.readouterr().err == ""
    assert len(list(answers(halved, [2, 4], "halve"))) == 2
    assert "halve" in capsys.readouterr().err


def test_what_is_wrong_comes_in_its_place_and_alone_is_an_error() -> None:
    asked: list[int] = []

    def ask(number: int) -> int:
        asked.append(number)
        return halved(number)

    each = some_answered(answers(ask, [1, 3, 4, 5, 6], "halve"))
    first, said = next(each)
    assert (first, str(said), asked) == (1, "1 is odd", [1, 3, 4])  # no further than the first
    assert [(one, str(said)) for one, said in each] == [
        (3, "3 is odd"), (4, "2"), (5, "5 is odd"), (6, "3"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="1 is odd"):
        list(some_answered(answers(ask, [1, 3], "halve")))
