"""The state of a run."""

from __future__ import annotations

import json
from pathlib import Path

from instructsam.data.record import ImageRef
from instructsam.engine.candidates import Candidate, CandidatePhrase, Decision, RowOutcome
from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.outcomes import outcome_part
from instructsam.engine.runners.spending import Spent
from instructsam.engine.status import run_status
from instructsam.engine.tasks import Usage

ROWS = [ImageRow(f"row-{number}", ImageRef(f"{number}.png", 8, 8)) for number in range(4)]


def decisions(row: ImageRow) -> tuple[Decision, ...]:
    def candidate(number: int, kind: str, rounds: int = 0) -> Candidate:
        phrases = (CandidatePhrase("mug", (1,)),)
        return Candidate(f"{row.id}#{number}", kind, "the mug", phrases, rounds)  # type: ignore[arg-type]

    past = {"instruction": "a mug", "numbers": [1], "reason": "votes: 1 of 3"}
    return (
        Decision(candidate(0, "category"), "accepted", votes={"agreement": 1.0}),
        Decision(candidate(1, "counting", 1), "accepted", votes={"agreement": 0.7}, history=(past,)),
        Decision(candidate(2, "counting", 2), "review", "ambiguous: \x1b[31mtwo mugs", history=(past, past)),
    )


def test_the_state_of_a_run(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main") as ledger:
        for row in ROWS[:2]:
            ledger.append(outcome_part(row, "now", RowOutcome(row.id, decisions(row))))
        ledger.append(outcome_part(ROWS[2], "now", RowOutcome(ROWS[2].id, (), skipped="no objects: none")))
        ledger.append(outcome_part(ROWS[3], "with earlier settings", RowOutcome(ROWS[3].id, ())))
        spending = {"qwen": Spent(9, 1, Usage(12_000, 300), 0.5)}
        status = run_status(iter(ROWS), ledger, "now", spending)
    found = json.loads(json.dumps(status.to_dict()))
    assert (found["rows"], found["finished"], found["skipped"]) == (4, 3, {"no objects": 1})
    assert found["parts"] == {"outcome": 4}
    assert found["states"] == {"accepted": 4, "rejected": 0, "review": 2}
    assert found["kinds"]["counting"] == {"accepted": 2, "rejected": 0, "review": 2}
    assert found["reasons"] == [{"state": "review", "reason": "ambiguous", "count": 2}]
    assert found["rounds"] == {"0": 2, "1": 2, "2": 2}
    assert found["revised"] == {"votes": 6}
    assert abs(found["mean_votes"]["agreement"] - 0.85) < 1e-9
    assert found["spending"]["qwen"]["input_tokens"] == 12_000
    assert status.lines() == [
        "rows: 3 of 4 finished",
        "skipped rows: 1 no objects",
        "parts: 4 outcome",
        "candidates: 6",
        "accepted: 4",
        "rejected: 0",
        "review: 2 (2 ambiguous)",
        "kind category: 2 accepted, 0 rejected, 0 review",
        "kind counting: 2 accepted, 0 rejected, 2 review",
        "last rounds: 2 in 0, 2 in 1, 2 in 2",
        "revisions: 6 votes",
        "mean results of checks: agreement 0.850",
        "spent on qwen: 9 calls (1 failed), 12,000 + 300 tokens, cost 0.50",
    ]
