"""The pieces of the runner on Ray that need no cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from instructsam.engine.ledger.batch import BatchStore
from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.ledger.lines import format_part
from instructsam.engine.ledger.segments import open_segment
from instructsam.engine.runners.progress import Progress, RunReport
from instructsam.engine.runners.ray_data import add_reports, row_ranges
from instructsam.engine.runners.ray_worker import REPORT, share_limits
from instructsam.engine.runners.spending import Spent
from instructsam.engine.tasks import Usage
from instructsam.errors import InputError
from tests.engine.ledger.test_ledger import part
from tests.engine.runners.toy import make_config


def test_ranges_cover_the_file_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    content = b"".join(b"%d\n" % 10**number for number in range(7))
    path.write_bytes(content)
    ranges, total = row_ranges(path, 3)
    assert total == 7
    pieces = [content[r["offset"] : r["offset"] + r["length"]] for r in ranges]
    assert [len(piece.splitlines()) for piece in pieces] == [3, 3, 1]
    assert b"".join(pieces) == content
    with pytest.raises(InputError, match="cannot be read"):
        row_ranges(tmp_path / "none.jsonl", 3)


def test_reports_add_up() -> None:
    one = RunReport(Progress(None, 2, 1, 0, 1, 3, 1, 0, Usage(5, 1), 0.5), "", {"a": 1}, (("r", "a"),))
    two = RunReport(Progress(None, 1, 0, 1, 1, 1, 0, 2, Usage(1, 1), 0.25), "spent", {"b": 2}, ())
    two = REPORT.validate_json(REPORT.dump_json(two))
    total = add_reports(RunReport(Progress(9), "", {}, ()), one, 1.0)
    total = add_reports(total, two, 7.0)
    assert total.progress == Progress(9, 3, 1, 1, 2, 4, 1, 2, Usage(6, 2), 0.75, 7.0)
    assert (total.stopped, total.failures, total.examples) == ("spent", {"b": 2, "a": 1}, (("r", "a"),))
    assert list(total.failures) == ["b", "a"]


def test_limits_and_what_is_left_of_a_budget_are_shared(tmp_path: Path) -> None:
    vlm = {
        "concurrency": 5,
        "requests_per_minute": 60,
        "max_tokens": 1000,
        "max_cost": 3.0,
        "input_price": 1.0,
    }
    config = make_config(tmp_path, **vlm)
    shared = share_limits(config, {"tiny": Spent(usage=Usage(300, 100), cost=1.0), "other": Spent(cost=9.0)})
    assert shared.verifier is None
    assert (shared.vlm.concurrency, shared.vlm.requests_per_minute, shared.vlm.tokens_per_minute) == (
        3,
        30,
        0,
    )
    assert (shared.vlm.max_tokens, shared.vlm.max_cost) == (700, 2.0)
    none = share_limits(make_config(tmp_path), {"tiny": Spent(cost=9.0)}).vlm
    assert (none.max_tokens, none.max_cost) == (0, 0)
    spent = share_limits(config, {"tiny": Spent(cost=3.5)}).vlm
    assert spent.max_cost == 3.0, "0 would be no cap"


def test_a_batch_knows_its_parts_and_appends_the_others(tmp_path: Path) -> None:
    writer = open_segment(tmp_path, "ray-1")
    store = BatchStore([format_part(part(0))], writer)
    assert store.get(part(0).key) == part(0)
    assert store.get(part(1).key) is None
    for number in (0, 1, 1):
        store.append(part(number))
    assert store.get(part(1).key) == part(1)
    writer.close()
    with Ledger(tmp_path) as ledger:
        assert list(ledger.parts()) == [part(1)]
