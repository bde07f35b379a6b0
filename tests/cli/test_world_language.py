"""`instructsam world language`: samples of a style, and what it reports about broken files."""

from __future__ import annotations

import pytest

from instructsam.cli.main import run
from instructsam.errors import InputError
from instructsam.world.instructions.samples import language_samples
from instructsam.world.language import check

Output = pytest.CaptureFixture[str]


def test_samples_of_a_style(capsys: Output) -> None:
    assert run(["world", "language", "--style", "telegraphic", "--count", "5"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 10
    assert all(line.startswith("    ") and line.endswith(")") for line in lines[1::2])
    assert err.startswith("checked: ")
    assert "styles" in err
    assert run(["world", "language", "--style", "telegraphic", "--count", "5"]) == 0
    assert capsys.readouterr().out == out


def test_samples_are_of_the_style_or_of_training() -> None:
    assert {made.template.split(":")[0] for made in language_samples("quiz", 6, 1)} == {"quiz"}
    assert "quiz" not in {made.template.split(":")[0] for made in language_samples("", 40, 1)}


def test_an_unknown_style_is_explained(capsys: Output) -> None:
    assert run(["world", "language", "--style", "casul"]) == 2
    assert "the style must be one of british, american, casual" in capsys.readouterr().err


def test_problems_are_printed_and_fail(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(check, "language_problems", lambda: iter(["'cup' is a name of mug and of glass"]))
    assert run(["world", "language"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "instructsam: error: 'cup' is a name of mug and of glass\n")


def test_a_malformed_file_is_one_line_of_error(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    def malformed(_name: str) -> None:
        raise InputError("sayings/casual.yaml, line 3, any: expected a line of text, got nothing")

    monkeypatch.setattr(check, "load_sayings", malformed)
    assert run(["world", "language"]) == 2
    assert capsys.readouterr().err == (
        "instructsam: error: sayings/casual.yaml, line 3, any: expected a line of text, got nothing\n"
    )
