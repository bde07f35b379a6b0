"""The filters of words, on labelled sentences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from instructsam.config import build_config
from instructsam.engine.filters.leaks import find_leak
from instructsam.engine.filters.text import candidate_fingerprint, text_problems
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.filters import FilterSettings
from instructsam.errors import ConfigError
from instructsam.world.splits.stream import all_texts
from tests.engine.filters.rows import CATEGORIES, candidate, row

HERE = Path(__file__).parent
DEFAULT = FilterSettings()


def sentences(name: str) -> list[tuple[str, str]]:
    lines = (HERE / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [(label, text) for label, text in (line.split("\t") for line in lines)]


def codes(
    instruction: str, settings: FilterSettings = DEFAULT, phrases: Sequence[str] | None = None
) -> list[str]:
    return [
        problem.code for problem in text_problems(candidate(instruction, phrases=phrases), row(), settings)
    ]


@pytest.mark.parametrize(
    ("name", "precision", "recall"), [("leaks", 0.99, 0.98), ("leaks_held_out", 0.87, 0.9)]
)
def test_leaks_are_found(name: str, precision: float, recall: float) -> None:
    labelled = sentences(name)
    found = {text for _, text in labelled if find_leak(text, CATEGORIES)}
    leaks = {text for label, text in labelled if label == "leak"}
    assert len(labelled) >= 60
    assert len(found & leaks) >= recall * len(leaks), sorted(leaks - found)
    assert len(found & leaks) >= precision * len(found), sorted(found - leaks)


def test_instructions_of_the_world_pass() -> None:
    texts = set(islice(all_texts(400), 400))
    assert {text: found for text in texts if (found := codes(text, phrases=["dog"]))} == {}


def test_other_languages_are_found_where_the_text_is_long_enough() -> None:
    texts = [text for _, text in sentences("other_languages")]
    found = [text for text in texts if "language" in codes(text)]
    assert len(found) >= 0.8 * len(texts)
    assert not [text for text in texts if codes(text, FilterSettings(language=""))]
    assert codes("die zweite Lampe von rechts", FilterSettings(language="de")) == []
    assert codes("the second lamp from the right", FilterSettings(language="de")) == ["language"]
    assert (
        codes(
            "\u043a\u0440\u0430\u0441\u043d\u0430\u044f \u0447\u0430\u0448\u043a\u0430",
            FilterSettings(language="ru"),
        )
        == []
    )


def test_loan_words_are_english() -> None:
    texts = (HERE / "english.tsv").read_text(encoding="utf-8").splitlines()
    assert {text: codes(text) for text in texts if codes(text)} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["length", "empty phrase"]),
        ("?!", ["length", "empty phrase"]),
        ("the dog " * 31, ["length"]),
        ("the dog\u202e", ["characters"]),
        ("the\u200bdog", ["characters"]),
        ("the dog\nand the cat", ["characters"]),
        ("the <b>dog</b>", ["characters"]),
        ("the d\u043eg", ["script"]),  # a Cyrillic o
        ("\u7ea2\u8272\u7684\u676f\u5b50", ["script"]),
        ('the sign "\u51fa\u53e3"', []),
        ("the caf\u00e9 tables", []),
        ("mask \uff13", ["leak"]),  # a digit of full width
        ('the box labelled "4"', ["leak"]),
        ("dog-2", ["leak"]),
        ("the dog the dog the dog", ["repetition"]),
        ("a very, very old dog", []),
    ],
)
def test_each_fault_has_its_code(text: str, expected: list[str]) -> None:
    found = codes(text)
    assert (found[: len(expected)] if "length" in expected else found) == expected


def test_phrases_are_checked() -> None:
    assert codes("which dogs bark?", phrases=["dog", "mask 2"]) == ["leak"]
    assert codes("which dogs bark?", phrases=["nothing"]) == ["empty phrase"]
    assert codes("which dogs bark?", phrases=["dog", "Dog"]) == ["repetition"]
    assert codes("which dogs bark?", phrases=[]) == ["phrase count"]
    assert codes("which dogs bark?", phrases=["dog", "cat"], settings=FilterSettings(max_phrases=1)) == [
        "phrase count"
    ]


def test_the_name_of_the_image_is_a_leak() -> None:
    named = row(file="train/IMG2041.jpg")
    (problem,) = text_problems(candidate("the dog of img2041"), named, DEFAULT)
    assert problem.code == "leak"
    assert "'img2041'" in problem.text


def test_banned_words_are_whole_words(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("# comment\nass\nson of a gun\nF\u00fcck\n", encoding="utf-8")
    settings = FilterSettings(banned_words=str(words))
    assert codes("the grass of the class", settings) == []
    assert codes("the ASS on the hill", settings) == ["banned word"]
    assert codes("that son  of a gun!", settings) == ["banned word"]
    assert codes("a fuck\u0308er", settings) == []
    assert codes("a fuck", settings) == ["banned word"]
    before = candidate_fingerprint(settings)
    words.write_text("hill\n", encoding="utf-8")
    assert codes("the ass on the hill", settings) == ["banned word"]
    assert candidate_fingerprint(settings) != before
    assert candidate_fingerprint(FilterSettings(copies_per_text=1)) == candidate_fingerprint(DEFAULT)
    assert candidate_fingerprint(FilterSettings(min_pixels=9)) != candidate_fingerprint(DEFAULT)
    assert candidate_fingerprint(FilterSettings(leaks=False)) != candidate_fingerprint(DEFAULT)


@pytest.mark.parametrize("content", [None, b"# nothing\n\n", b"\xff\xfe\x00"])
def test_an_unusable_word_list_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    words = tmp_path / "words.txt"
    if content is not None:
        words.write_bytes(content)
    with pytest.raises(ConfigError, match=r"filters.banned_words"):
        codes("a dog", FilterSettings(banned_words=str(words)))


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"scripts must be first words of Unicode names.*'Latin'"):
        build_config(FilterSettings, {"scripts": ["Latin"]})
    with pytest.raises(ConfigError, match=r"min_share must be less than"):
        build_config(FilterSettings, {"min_share": 0.5, "max_share": 0.4})
    run = {
        "output_dir": "run",
        "source": {"data": "a.json"},
        "vlm": {"model": "m", "url": "http://localhost/v1"},
    }
    with pytest.raises(ConfigError, match=r"filters.language must be the ISO 639-1 code of propose.language"):
        build_config(EngineConfig, {**run, "propose": {"language": "German"}})
    build_config(EngineConfig, {**run, "propose": {"language": "German"}, "filters": {"language": "de"}})
    with pytest.raises(ConfigError, match=r"filters.language must be an ISO 639-1 code.*'qq'"):
        codes("a long enough text about a dog", FilterSettings(language="qq"))
