"""Atomic writing, destinations, names and the lock of a folder."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from instructsam.errors import InputError
from instructsam.structures.destinations import check_file_destination, check_new_folder, prepare_folder
from instructsam.structures.file_names import find_file, is_system_file, safe_file_name
from instructsam.structures.files import file_sha256, write_all, write_text
from instructsam.structures.folders import whole_folder
from instructsam.structures.locks import FolderLock


def test_a_file_is_replaced_whole_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_text(path, "old")
    write_text(path, "new é \udcff")
    assert path.read_text(encoding="utf-8") == "new é \\udcff"
    assert [found.name for found in tmp_path.iterdir()] == ["report.json"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder: cannot be written"):
        write_text(tmp_path / "folder", "text")
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "missing" / "file", "text")
    assert [found.name for found in tmp_path.iterdir()] == ["folder"]


def test_destinations_are_checked_before_work(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    for folder in (blocker, blocker / "inside", tmp_path / ("n" * 300), tmp_path / "nul\0"):
        with pytest.raises(InputError, match=r"--out .*cannot write there"):
            prepare_folder(folder)
    with pytest.raises(InputError, match="existing folder"):
        check_file_destination(tmp_path)
    assert check_file_destination(tmp_path / "new" / "file.json").parent.is_dir()


@pytest.mark.parametrize("stem", ["n" * 400, "杯" * 200, "a/b\\c", "nul\0 and \udcff", "plain"])
def test_names_fit_every_file_system(stem: str, tmp_path: Path) -> None:
    name = safe_file_name(stem, ".1.png")
    assert name.endswith(".1.png")
    (tmp_path / name).write_text("x")


def test_long_names_stay_apart() -> None:
    assert safe_file_name("n" * 300 + "a", ".png") != safe_file_name("n" * 300 + "b", ".png")


def test_files_of_operating_systems_are_known() -> None:
    found = [
        "a.json",
        "._a.json",
        ".DS_Store",
        "Thumbs.db",
        "thumbs.DB",
        "Desktop.ini",
        "__MACOSX",
        "a._b.json",
    ]
    assert [name for name in found if not is_system_file(name)] == ["a.json", "a._b.json"]


@pytest.mark.parametrize(("listed", "stored"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
def test_a_name_is_found_in_the_other_composition(tmp_path: Path, listed: str, stored: str) -> None:
    def name(form: str) -> str:
        return unicodedata.normalize(form, "école/Müßig 곰.png")  # type: ignore[arg-type]

    path = tmp_path / name(stored)
    path.parent.mkdir()
    path.write_text("x")
    assert find_file(tmp_path, name(listed)) == path
    for absent in ("école/no.png", "é.png", "a.png", "nul\0é", "half \ud83d"):
        assert find_file(tmp_path, absent) == tmp_path / absent


def test_a_folder_has_one_writer_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from instructsam.structures.locks import FolderLock\n"
        "with FolderLock(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(InputError, match=rf"another process is writing there .process {other.pid}"),
        FolderLock(tmp_path),
    ):
        pass
    other.kill()
    other.wait()
    other.stdout.close()
    with FolderLock(tmp_path):
        with pytest.raises(InputError, match="this process is already writing"), FolderLock(tmp_path):
            pass
        if hasattr(os, "fork"):
            assert (tmp_path / ".instructsam.lock").read_text().startswith(f"process {os.getpid()} ")
    with FolderLock(tmp_path):
        pass


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def fail_in(folder: Path, error: Exception) -> None:
    with whole_folder(folder, stale=["w-*"]) as fresh:
        (fresh / "a").write_text("2")
        raise error


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "model"
    full = OSError(28, "No space left on device")
    with pytest.raises(InputError, match="No space left"):
        fail_in(folder, full)
    assert names(tmp_path) == ["new"]
    with whole_folder(folder) as fresh:
        (fresh / "a").write_text("1")
        (fresh / "w-1").write_text("1")
    assert names(folder) == ["a", "w-1"]
    assert folder.stat().st_mode & 0o777 == (tmp_path / "new").stat().st_mode & 0o777
    (folder / "notes").write_text("kept")
    with pytest.raises(ZeroDivisionError):
        fail_in(folder, ZeroDivisionError())
    assert (folder / "a").read_text() == "1"
    with whole_folder(folder, stale=["w-*"]) as fresh:
        (fresh / "a").write_text("2")
        (fresh / "w-2").write_text("2")
    assert names(folder) == ["a", "notes", "w-2"]
    assert (folder / "a").read_text() == "2"


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "inside", tmp_path / ("n" * 300), Path("a\0b")):
        with pytest.raises(InputError, match=r"exists already|cannot"):
            check_new_folder(folder)
        with pytest.raises(InputError, match="cannot"), whole_folder(folder):
            pass
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    with pytest.raises(InputError, match="exists already"):
        check_new_folder(tmp_path / "dangling")
    check_new_folder(tmp_path / "a" / "b")
    assert names(tmp_path) == ["a", "dangling", "file"]


class PartialStream(io.BytesIO):
    """Accepts three bytes at a time, as an unbuffered file may."""

    def write(self, content: object, /) -> int:
        return super().write(memoryview(content)[:3])  # type: ignore[arg-type]


def test_everything_is_written_to_a_stream_that_accepts_parts() -> None:
    stream = PartialStream()
    write_all(stream, b"0123456789")
    assert stream.getvalue() == b"0123456789"


def test_the_digest_of_a_file_is_the_one_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(content := b"x" * 2**20 + b"y")
    assert file_sha256(tmp_path / "large") == hashlib.sha256(content).hexdigest()
