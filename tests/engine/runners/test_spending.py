"""The spending log: sums, resumption, and lines that a kill cut off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from instructsam.engine.runners.spending import SPENDING_NAME, Call, SpendingLog, Spent, cost
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.tasks import Usage
from instructsam.errors import InputError

CALLS = [
    Call("a", "propose", Usage(100, 20), 0.5),
    Call("a", "vote", Usage(50, 5), 0.25, ok=False, estimated=True),
    Call("b", "vote", Usage(1, 2), 1.0, correction=True),
]


def write(folder: Path) -> Path:
    with SpendingLog(folder) as log:
        for call in CALLS:
            log.append(call)
    return folder / SPENDING_NAME


def test_sums_survive(tmp_path: Path) -> None:
    write(tmp_path)
    with SpendingLog(tmp_path) as log:
        assert log.models == {
            "a": Spent(2, 1, Usage(150, 25), 0.75, 1),
            "b": Spent(1, 0, Usage(1, 2), 1.0, 0),
        }
        assert log.stages["vote"] == Spent(2, 1, Usage(51, 7), 1.25, 1)
        assert log.total == Spent(3, 1, Usage(151, 27), 1.75, 1)
        assert log.damaged == 0


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_line_that_was_cut_off_is_counted_and_damages_no_other(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:2]) + whole[2][:kept])
    with SpendingLog(tmp_path) as log:
        complete = kept == -1
        assert log.total.calls == 2 + complete  # only its line break is missing
        assert log.damaged == (kept > 0)
        log.append(CALLS[2])
    with SpendingLog(tmp_path) as log:
        assert log.total.calls == 3 + complete
    assert path.read_bytes().endswith(whole[2][40:])


@pytest.mark.parametrize("line", ["[]", "{}", '{"model": "a"}', "nonsense", '"text"', "\x00"])
def test_foreign_lines_do_not_stop_a_run(tmp_path: Path, line: str) -> None:
    path = write(tmp_path)
    path.write_text(line + "\n" + path.read_text())
    with SpendingLog(tmp_path) as log:
        assert (log.total.calls, log.damaged) == (3, 1)


def test_two_processes_append_whole_lines(tmp_path: Path) -> None:
    with SpendingLog(tmp_path) as first, SpendingLog(tmp_path) as second:
        for _ in range(50):
            first.append(CALLS[0])
            second.append(CALLS[1])
    lines = (tmp_path / SPENDING_NAME).read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 100


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"spending.jsonl: cannot be written \(No such file or directory\)"):
        SpendingLog(tmp_path / "missing")


def test_prices() -> None:
    settings = VLMSettings(model="m", url="http://x/v1", input_price=2.0, output_price=10.0)
    assert cost(Usage(1_000_000, 100_000), settings) == pytest.approx(3.0)
