"""Decisions of people: the file, their checks, their effect, and the agreement with the engine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from instructsam.engine.review.apply import apply_decisions, apply_to_all, import_decisions
from instructsam.engine.review.decisions import (
    AddedObject,
    CorrectedMask,
    HumanDecision,
    ReviewedPhrase,
    append_decisions,
    read_decisions,
    review_digest,
)
from instructsam.engine.review.queue import review_queue
from instructsam.engine.review.report import ReviewReport
from instructsam.errors import InputError
from instructsam.structures.masks import decode_rle, encode_rle
from tests.engine.review.rows import make_decision, make_row, outcome, square

ROW = make_row()
ENGINE = make_decision(ROW)
ID = ENGINE.candidate.id
DIGEST = review_digest(ROW, ENGINE.candidate)


def _apply(human: HumanDecision, engine=ENGINE):
    report = ReviewReport()
    row, found = apply_decisions(*outcome(ROW, engine), {human.candidate: human}, report)
    return row, found.decisions[0], report


def test_a_file_is_read_back_and_the_last_decision_wins(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    assert read_decisions(path).latest == {}
    first = HumanDecision(ID, DIGEST, "reject", reason="ambiguous", reviewer="Ann", time="2026-11-28")
    other = HumanDecision("row-b#0", DIGEST, "skip", comment='\u2028 "quoted" </script>')
    last = HumanDecision(ID, DIGEST, "accept", phrases=(ReviewedPhrase("the mugs", (1, 3)),))
    append_decisions(path, [first, other])
    append_decisions(path, [last])
    found = read_decisions(path)
    assert found.latest == {"row-b#0": other, ID: last}
    assert list(found.latest) == ["row-b#0", ID]
    assert found.lines == 3
    assert not found.cut
    assert len(path.read_bytes().splitlines()) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another thing there")
def test_a_private_file_stays_private(tmp_path: Path) -> None:
    decision = HumanDecision(ID, DIGEST, "skip")
    path = tmp_path / "decisions.jsonl"
    append_decisions(path, [decision])
    path.chmod(0o600)
    append_decisions(path, [decision])
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("whole", [False, True])
def test_a_line_that_was_cut_off_is_removed_and_a_whole_one_ended(tmp_path: Path, whole: bool) -> None:
    path = tmp_path / "decisions.jsonl"
    append_decisions(path, [HumanDecision("a", "d", "accept"), HumanDecision("b", "d", "accept")])
    path.write_bytes(path.read_bytes()[: -1 if whole else -5])
    assert read_decisions(path).cut is not whole
    append_decisions(path, [HumanDecision("c", "d", "accept")])
    found = read_decisions(path)
    assert list(found.latest) == (["a", "b", "c"] if whole else ["a", "c"])
    assert not found.cut


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{}", "line 1, field candidate: the field is missing"),
        (
            '{"candidate": "a", "digest": "d", "action": "maybe"}',
            "field action: expected one of 'accept', 'reject', 'skip'",
        ),
        ('{"candidate": "a", "digest": "d", "action": "accept", "acton": 1}', "acton: unknown field"),
        (
            '{"candidate": "a", "digest": "d", "action": "accept", "phrases": [{"text": "x", "numbers": [0]}]}',
            "numbers",
        ),
        ("not JSON", "line 1"),
    ],
)
def test_a_line_that_is_no_decision_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=message):
        read_decisions(path)


def test_an_accepted_candidate_stays_as_it_is() -> None:
    row, decision, report = _apply(HumanDecision(ID, DIGEST, "accept"))
    assert row == ROW
    assert decision.candidate == ENGINE.candidate
    assert (decision.state, decision.reason, decision.history) == ("accepted", "", ())
    assert decision.votes == {"votes": 3, "agreement": 0.5, "person": 1.0}
    assert report.count("accepted") == 1
    assert report.open == 0


def test_a_fix_changes_words_and_numbers_and_keeps_the_earlier_ones() -> None:
    phrases = (ReviewedPhrase("the blue mugs", (4, 2, 2)),)
    human = HumanDecision(ID, DIGEST, "accept", instruction=" Segment the\nblue mugs.", phrases=phrases)
    _, decision, report = _apply(human)
    assert decision.candidate.instruction == "Segment the blue mugs."
    assert decision.candidate.numbers == (2, 4)
    assert decision.candidate.phrases[0].numbers == (2, 4)
    assert decision.history[-1]["instruction"] == "Segment the mugs."
    assert decision.history[-1]["numbers"] == [
        1,
        2,
    ]
    assert report.count("fixed") == 1
    assert report.count("accepted") == 0


def test_the_kind_follows_a_fix() -> None:
    none = HumanDecision(ID, DIGEST, "accept", phrases=(ReviewedPhrase("the mugs", ()),))
    assert _apply(none)[1].candidate.kind == "absent"
    absent = make_decision(ROW, kind="near_miss", phrases=(("the green mugs", ()),))
    digest = review_digest(ROW, absent.candidate)
    kept = HumanDecision(ID, digest, "accept")
    assert _apply(kept, absent)[1].candidate.kind == "near_miss"
    found = HumanDecision(ID, digest, "accept", phrases=(ReviewedPhrase("the green mugs", (3,)),))
    assert _apply(found, absent)[1].candidate.kind == "category"


def test_a_rejection_has_its_reason_and_a_skip_no_effect() -> None:
    decision = _apply(HumanDecision(ID, DIGEST, "reject", reason="ambiguous"))[1]
    assert (decision.state, decision.reason, decision.votes["person"]) == (
        "rejected",
        "person: ambiguous",
        0.0,
    )
    _, decision, report = _apply(HumanDecision(ID, DIGEST, "skip"))
    assert decision == ENGINE
    assert (report.skipped, report.open) == (1, 1)


def test_corrected_masks_and_added_objects_are_in_the_row() -> None:
    new, drawn = encode_rle(square(3, 6, 8)), encode_rle(square(40, 40))
    human = HumanDecision(
        ID, DIGEST, "accept", masks=(CorrectedMask(2, new),), added=(AddedObject((0,), drawn, "mug"),)
    )
    row, decision, report = _apply(human)
    assert row.instances[1].rle == new
    assert len(row.instances) == 5
    assert (decode_rle(row.instances[4].rle) == square(40, 40)).all()
    assert decision.candidate.numbers == (1, 2, 5)
    assert (report.masks, report.added, report.count("fixed")) == (1, 1, 1)


def test_an_object_that_two_candidates_add_is_added_once() -> None:
    other = make_decision(ROW, 1)
    digests = [review_digest(ROW, one.candidate) for one in (ENGINE, other)]
    drawings = [encode_rle(square(40, 40)), encode_rle(square(41, 40)), encode_rle(square(60, 40))]
    humans = {
        ID: HumanDecision(ID, digests[0], "accept", added=(AddedObject((0,), drawings[0]),)),
        other.candidate.id: HumanDecision(
            other.candidate.id,
            digests[1],
            "accept",
            added=(AddedObject((0,), drawings[1]), AddedObject((0,), drawings[2])),
        ),
    }
    report = ReviewReport()
    row, found = apply_decisions(*outcome(ROW, ENGINE, other), humans, report)
    assert len(row.instances) == 6
    assert [one.candidate.numbers for one in found.decisions] == [(1, 2, 5), (1, 2, 5, 6)]
    assert report.added == 2


def test_detected_objects_are_those_of_the_decisions() -> None:
    bare = replace(ROW, instances=())
    found = replace(outcome(bare, ENGINE)[1], detected=ROW.instances)
    report = ReviewReport()
    human = HumanDecision(ID, DIGEST, "accept", masks=(CorrectedMask(1, encode_rle(square(3, 6, 8))),))
    row, after = apply_decisions(bare, found, {ID: human}, report)
    assert report.count("fixed") == 1
    assert len(after.with_objects(row).instances) == 4
    assert after.with_objects(row).instances[0].rle == human.masks[0].rle
    assert review_queue([(bare, found)])[0].row.instances == ROW.instances
    assert apply_decisions(bare, found, {}, report) == (bare, found)


def test_an_older_decision_replaces_no_later_one(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    times = ("2026-11-28T10:00:00.000Z", "2026-11-28T12:00:00.000Z")
    early, late = (HumanDecision(ID, DIGEST, "accept", comment=time, time=time) for time in times)
    for decision, older in ((early, 0), (late, 0), (early, 1)):
        report = import_decisions({ID: decision}, [outcome(ROW, ENGINE)], path)
        assert report.older == older
    assert read_decisions(path).latest[ID] == late


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phrases": (ReviewedPhrase("x", (1, 5)),)}, "expected numbers of objects from 1 to 4, got 5"),
        ({"added": (AddedObject((1,), encode_rle(square(1, 1))),)}, "names a phrase that does not exist"),
        ({"masks": (CorrectedMask(1, {"size": [2, 2], "counts": [0, 4]}),)}, "height, width"),
        ({"instruction": "  "}, "instruction is empty"),
        ({"instruction": "the \u202e mug"}, "control characters (U+202E)"),
        ({"phrases": (ReviewedPhrase("a\x1b[31m", (1,)),)}, "control characters (U+001B)"),
    ],
)
def test_an_impossible_decision_is_counted_and_not_applied(change: dict, message: str) -> None:
    _, decision, report = _apply(replace(HumanDecision(ID, DIGEST, "accept"), **change))
    assert decision == ENGINE
    assert (report.invalid, report.stale, report.open) == (1, 0, 1)
    assert message in report.problems[0]


def test_a_decision_is_stale_when_candidate_or_objects_have_changed() -> None:
    other = make_decision(ROW, instruction="Segment all mugs.")
    _, decision, report = _apply(HumanDecision(ID, DIGEST, "accept"), other)
    assert decision == other
    assert (report.stale, report.invalid) == (1, 0)
    assert review_digest(make_row(count=5), ENGINE.candidate) != DIGEST


def test_an_import_writes_valid_decisions_once(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    good = HumanDecision(ID, DIGEST, "accept")
    stale = HumanDecision("row-a#1", "old", "reject")
    given = {one.candidate: one for one in (good, stale, HumanDecision("row-z#9", "d", "skip"))}
    finished = [outcome(ROW, ENGINE, make_decision(ROW, 1))]
    for _ in range(2):
        report = import_decisions(given, finished, path)
        assert (report.applied, report.stale, report.unknown) == (1, 1, 1)
        assert read_decisions(path).latest == {ID: good}
        assert read_decisions(path).lines == 1
    assert any("row-z#9: the run has no such candidate" in line for line in report.lines())


def test_the_sample_measures_the_engine() -> None:
    engine = [make_decision(ROW, number, "accepted") for number in range(10)]
    humans = {
        one.candidate.id: HumanDecision(
            one.candidate.id, review_digest(ROW, one.candidate), "accept" if place < 9 else "reject"
        )
        for place, one in enumerate(engine)
    }
    report = ReviewReport()
    list(apply_to_all([outcome(ROW, *engine)], humans, report))
    found = report.agreement("accepted")
    assert found is not None
    assert (found.hits, found.checked) == (9, 10)
    assert found.interval == (pytest.approx(0.5958, abs=1e-4), pytest.approx(0.9821, abs=1e-4))
    assert "precision of accepted: 0.900 (9 of 10, 95% interval 0.596 to 0.982)" in report.lines()
    assert report.to_dict()["unchanged"]["accepted"]["count"] == 9
    assert report.agreement("rejected") is None


def test_the_queue_keeps_images_together_and_begins_with_doubt() -> None:
    a, b = make_row("a"), make_row("b")
    finished = [
        outcome(a, make_decision(a, 0, votes=0.6), make_decision(a, 1, "accepted", votes=1.0)),
        outcome(
            b,
            make_decision(b, 0, votes=0.9),
            make_decision(b, 1, votes=None),
            make_decision(b, 2, "rejected", votes=0.0),
        ),
    ]
    assert [item.id for item in review_queue(finished)] == ["row-b#1", "row-b#0", "row-a#0"]
    digests = {item.id: item.digest for item in review_queue(finished)}
    people = {
        "row-a#0": HumanDecision("row-a#0", digests["row-a#0"], "reject"),
        "row-b#0": HumanDecision("row-b#0", digests["row-b#0"], "skip"),
        "row-b#1": HumanDecision("row-b#1", "stale", "accept"),
    }
    assert set(digests) == set(people)
    every = review_queue(iter(finished), sample=5, rejected=True, decisions=people)
    assert [item.id for item in every] == ["row-b#1", "row-b#2", "row-b#0", "row-a#1"]
    assert [item.cause for item in every] == ["review", "rejected", "review", "quality"]


def test_the_sample_is_the_same_whatever_is_decided() -> None:
    finished = [outcome(ROW, *[make_decision(ROW, number, "accepted") for number in range(50)])]
    chosen = {item.id for item in review_queue(finished, sample=7)}
    assert len(chosen) == 7
    assert chosen == {item.id for item in review_queue(finished, sample=7)}
    some = {
        item.id: HumanDecision(item.id, item.digest, "accept")
        for item in review_queue(finished, sample=7)[:3]
    }
    assert {item.id for item in review_queue(finished, sample=7, decisions=some)} == chosen - some.keys()
