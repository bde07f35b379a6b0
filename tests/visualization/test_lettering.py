from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from instructsam.visualization import lettering
from instructsam.visualization.lettering import FONT_FILES, Lettering, clean, shorten, wrap

SCRIPTS = "éñßøąłŐçğ ΑΩλ КириллицаЖґ Հայ ქართული שלום مرحبا 杯水赤漢字國龍 カップひらがな 컵빨간 ★→≤"


def drawn(text: str) -> bytes:
    picture = Image.new("RGB", (400, 40))
    Lettering(20).draw(ImageDraw.Draw(picture), 4, 20, clean(text), (255, 255, 255))
    return picture.tobytes()


def test_letters_of_many_scripts_are_drawn_as_letters() -> None:
    assert clean(SCRIPTS) == SCRIPTS
    letters = sorted(set(SCRIPTS) - {" "})
    pictures = {drawn(letter) for letter in letters}
    assert len(pictures) == len(letters)
    assert drawn("x") != drawn("") not in pictures


def test_right_to_left_words_are_drawn_from_the_right() -> None:
    assert lettering._runs("שלום mug") == [("DejaVuSans.ttf", "םולש mug")]
    assert lettering._runs("\u0628\u0671") == [
        ("DejaVuSans.ttf", "\u0671\ufe91")
    ]  # no font has the joined wasla


def test_letters_without_a_font_show_their_code_points() -> None:
    assert clean("हि x \ud83d \U0001fae0") == "[U+0939][U+093F] x [U+D83D] [U+1FAE0]"
    assert drawn("ह") != drawn("ि")


@pytest.mark.parametrize("name", FONT_FILES)
def test_the_coverage_is_that_of_the_font(name: str) -> None:
    font = ImageFont.truetype(str(lettering._path(name)), 20, layout_engine=ImageFont.Layout.BASIC)
    codes = lettering._coverage(name)
    assert len(codes) > 5000
    missing = bytes(font.getmask(chr(0x10FFFF)))
    outside = [code for code in range(0x4E00, 0x9FFF, 97) if code not in codes]
    assert all(bytes(font.getmask(chr(code))) == missing for code in outside)
    inside = [code for code in sorted(codes)[300::97] if font.getlength(chr(code)) > 0]
    assert sum(bytes(font.getmask(chr(code))) == missing for code in inside) == 0


def test_the_fonts_are_small_and_have_their_licences() -> None:
    folder = Path(lettering._path(FONT_FILES[0])).parent
    sizes = [(folder / name).stat().st_size for name in FONT_FILES]
    assert max(sizes) < 2 * 2**20
    assert sum(sizes) < 3 * 2**20
    assert len(list(folder.glob("LICENSE-*.txt"))) == len(FONT_FILES)


def test_words_are_wrapped_and_cut() -> None:
    font = Lettering(14)
    lines = wrap("several words " * 40 + "x" * 900, font, 200, 3)
    assert len(lines) == 3
    assert all(font.length(line) <= 200 for line in lines)
    assert lines[-1].endswith("...")
    assert wrap("one line", font, 200, 3) == ["one line"]
    pieces = wrap("x" * 90, font, 200, 9)
    assert "".join(pieces) == "x" * 90
    assert all(font.length(piece) <= 200 < font.length(piece + "x") for piece in pieces[:-1])
    assert shorten("short", font, 200) == "short"


def test_text_becomes_one_line() -> None:
    assert clean("a\n\tb\x00c  d") == "a b c d"
    assert clean("e\u0301\u200d") == "é"
    assert len(clean("y" * 10_000, 50)) == 50
    assert clean("") == ""


def test_lengths_are_what_is_drawn() -> None:
    text = "mug 杯 кружка"
    picture = Image.new("RGB", (600, 40))
    Lettering(24).draw(ImageDraw.Draw(picture), 0, 20, text, (255, 255, 255))
    columns = np.flatnonzero(np.asarray(picture).any(axis=(0, 2)))
    assert abs(columns[-1] - Lettering(24).length(text)) < 4
