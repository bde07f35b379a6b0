"""The ledger at a URL of fsspec: whole objects per block."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from instructsam.engine.ledger import segments
from instructsam.engine.ledger.folders import open_file_system
from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.ledger.lines import format_part
from instructsam.errors import InputError, MissingExtraError
from tests.engine.ledger.test_ledger import part

URL = "memory://ledger-test/run/ledger"


@pytest.fixture(autouse=True)
def store() -> Iterator[fsspec.AbstractFileSystem]:
    memory = fsspec.filesystem("memory")
    yield memory
    if memory.exists("/ledger-test"):
        memory.rm("/ledger-test", recursive=True)


def test_blocks_are_objects(store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_BLOCK_LINES", 2)
    monkeypatch.setattr("instructsam.engine.ledger.ledger._MAX_PENDING", 2)
    with Ledger(URL, "a") as ledger:
        for number in range(5):
            ledger.append(part(number))
            assert ledger.get(part(number).key) == part(number)
        assert ledger.parts_of("row-2") == [part(4)]
        assert sorted(store.ls("/ledger-test/run/ledger", detail=False)) == [
            "/ledger-test/run/ledger/a.000001.jsonl",
            "/ledger-test/run/ledger/a.000002.jsonl",
        ]
    with Ledger(URL, "a") as ledger:
        ledger.append(part(0))
        ledger.append(part(5))
    with Ledger(URL) as ledger:
        assert list(ledger.parts()) == [part(number) for number in range(6)]
    assert store.cat_file("/ledger-test/run/ledger/a.000004.jsonl") == format_part(part(5))


def test_writers_see_each_other_after_a_refresh(tmp_path: Path) -> None:
    with Ledger(URL, "a") as first, Ledger(URL, "b", index=tmp_path / "index.sqlite") as second:
        first.append(part(0))
        second.refresh()
        assert second.get(part(0).key) is None
        first.flush()
        second.refresh()
        assert second.get(part(0).key) == part(0)
        second.append(part(0))
        second.append(part(1))
    with Ledger(URL, index=tmp_path / "index.sqlite") as ledger:
        assert list(ledger.parts()) == [part(0), part(1)]


def test_unknown_protocols_are_refused() -> None:
    with pytest.raises(InputError, match=r"nowhere://x: expected a URL of fsspec"):
        Ledger("nowhere://x")


def test_a_protocol_without_its_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
    with pytest.raises(MissingExtraError, match="Install s3fs"):
        Ledger("s3://bucket/run")


def test_a_missing_fsspec_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"instructsam\[engine\]"):
        open_file_system(URL)
