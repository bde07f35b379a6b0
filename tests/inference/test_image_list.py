"""Which pictures paths stand for, and files of instructions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from instructsam.errors import ImageError, InputError
from instructsam.inference.image_list import find_images, read_instructions


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_a_folder_by_name_each_file_once(tmp_path: Path) -> None:
    folder = tree(
        tmp_path / "p", "b.PNG", "a.jpg", ".hidden.png", "notes.txt", "s/c.png", ".h/d.png", "s/t/e.png"
    )
    (folder / "link.png").symlink_to(folder / "a.jpg")
    (folder / "loop").symlink_to(folder)
    flat = find_images([folder])
    assert [one.name for one in flat.found] == ["a.jpg", "b.PNG"]
    assert (flat.skipped, flat.own) == (2, 0)
    deep = find_images([folder], recursive=True)
    assert [one.name for one in deep.found] == ["a.jpg", "b.PNG", "s/c.png", "s/t/e.png"]
    assert deep.skipped == 0
    several = find_images([folder / "b.PNG", folder, folder / "absent.png"])
    assert [one.path.name for one in several.found] == ["b.PNG", "a.jpg", "absent.png"]
    assert all(os.path.isabs(one.name) for one in several.found)


def test_odd_names_are_kept_for_the_loader(tmp_path: Path) -> None:
    names = [Path("a\0b.png"), Path("n" * 5000 + ".png"), tmp_path / os.fsdecode(b"\xff.png")]
    assert [one.path for one in find_images(names).found] == names


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="has no image"):
        find_images([tmp_path])
    with pytest.raises(ImageError, match="subfolders 1: add --recursive"):
        find_images([tree(tmp_path, "s/a.png")])


def test_many_skipped_pictures_are_not_all_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instructsam.inference.image_list._COUNT_LIMIT", 3)
    tree(tmp_path, "a.png", *(f"s{n}/{m}.png" for n in range(3) for m in range(2)))
    assert find_images([tmp_path]).skipped == 3


def test_a_subfolder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a.png", "s/b.png")
    listed = Path.iterdir

    def refuse(self: Path) -> object:
        if self.name == "s":
            raise PermissionError(13, "Permission denied")
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    found = find_images([tmp_path], recursive=True)
    assert [one.name for one in found.found] == ["a.png"]
    assert found.unreadable == [(tmp_path / "s", "the folder cannot be listed (Permission denied)")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"", "no instruction"),
        ("a.txt", b" \n\n", "no instruction"),
        ("a.txt", b"caf\xe9", "not UTF-8"),
        ("a.txt", "the mugs".encode("utf-16"), "not UTF-8"),
        ("a.txt", b"image,instruction\na.png,x\n", "rename the file to .csv or .tsv"),
        ("a.json", b'[{"image": "a.png", "instruction": "x"}]', "save it as .jsonl"),
        ("a.csv", b"image,text\na.png,x\n", "line 1: expected the column names"),
        ("a.csv", b"image,instruction\na.png,x,y\n", "line 2: expected 2 fields, got 3"),
        ("a.csv", b"image,instruction\na.png\n", "line 2: expected 2 fields, got 1"),
        ("a.csv", b"image,instruction\na.png,\n", "line 2: the instruction is empty"),
        ("a.csv", b"image,instruction\n ,x\n", "line 2: the image is empty"),
        ("a.csv", b'image,instruction\n\na.png,"x\ny"\nb.png,\n', "line 5: the instruction is empty"),
        ("a.csv", b'image,instruction\na.png,"x', "not CSV"),
        ("a.csv", b"image,instruction\na.png," + b"x" * 200_000, "not CSV"),
        ("a.jsonl", b'{"instruction": "x"}\n[1]\n', "line 2: expected"),
        ("a.jsonl", b'{"image": "a.png"}\n', "line 1: expected"),
        ("a.jsonl", b'{"instruction": ["x"]}\n', "line 1: the instruction must be text"),
        ("a.jsonl", b'{"instruction": "x", "image": 3}\n', "line 1: the image must be text"),
        ("a.jsonl", b'{"instruction": "\\ud83d"}\n', "line 1: the instruction contains a lone surrogate"),
        (
            "a.jsonl",
            b'{"instruction": "x"}\n{"instruction": "y", "image": "b"}',
            "line 1: the image is missing",
        ),
        ("a.jsonl", b"[" * 5000 + b"\n", "nested too deep"),
        ("a.jsonl", b'{"instruction": "x"', "line 1"),
    ],
)
def test_a_bad_file_names_file_and_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words.replace("(", r"\(")) as caught:
        read_instructions(path)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.txt", tmp_path, tmp_path / ("n" * 5000), Path("a\0b")):
        with pytest.raises(InputError, match="--instructions"):
            read_instructions(path)


def test_a_column_of_instructions_alone_is_for_every_image(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("instruction\nthe mugs\nthe plates\n")
    rows = read_instructions(tmp_path / "a.csv")
    assert [(row.image, row.instruction) for row in rows] == [(None, "the mugs"), (None, "the plates")]
