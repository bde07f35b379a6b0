"""Decisions of people, applied to the outcomes of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from instructsam.data.record import InstanceRecord
from instructsam.data.record_fields import Rle, check_rle
from instructsam.engine.candidates import (
    NO_TARGET,
    PERSON,
    Candidate,
    CandidatePhrase,
    Decision,
    Kind,
    RowOutcome,
)
from instructsam.engine.review.decisions import (
    HumanDecision,
    ReviewedPhrase,
    append_decisions,
    read_decisions,
    review_digest,
)
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError
from instructsam.structures.masks import rle_box_xyxy
from instructsam.structures.rle_masks import RleMasks
from instructsam.structures.safe_text import hidden_letters

_SAME_OBJECT = 0.7  # least IoU of two drawings of one new object
_STALE = "the candidate or the objects of its image have changed since the decision; review it again"


def apply_decisions(
    row: ImageRow, outcome: RowOutcome, decisions: Mapping[str, HumanDecision], report: ReviewReport
) -> tuple[ImageRow, RowOutcome]:
    """The row and its outcome as people left them; detected, corrected and added objects are in the row.

    Args:
        row: that `outcome` is about.
        outcome: of the engine.
        decisions: by candidate, as `read_decisions` returns them in `latest`.
        report: is counted on.
    """
    seen = reviewed = outcome.with_objects(row)
    found: list[Decision] = []
    for engine in outcome.decisions:
        human = decisions.get(engine.candidate.id)
        problem = "" if human is None else _problem(seen, engine.candidate, human)
        if problem:
            report.problem(f"{engine.candidate.id}: {problem}")
            report.stale += problem == _STALE
            report.invalid += problem != _STALE
        if human is None or problem or human.action == "skip":
            report.open += engine.state == "review"
            report.skipped += human is not None and not problem
            found.append(engine)
            continue
        reviewed, decision = _decide(reviewed, len(seen.instances), engine, human, report)
        found.append(decision)
    if tuple(found) == outcome.decisions:
        return row, outcome
    return reviewed, replace(outcome, decisions=tuple(found), detected=())


def apply_to_all(
    finished: Iterable[tuple[ImageRow, RowOutcome]],
    decisions: Mapping[str, HumanDecision],
    report: ReviewReport,
) -> Iterator[tuple[ImageRow, RowOutcome]]:
    """`apply_decisions` for every row; afterwards decisions about unknown candidates are counted, too."""
    seen: set[str] = set()
    for row, outcome in finished:
        seen.update(one.candidate.id for one in outcome.decisions if one.candidate.id in decisions)
        yield apply_decisions(row, outcome, decisions, report)
    unknown = [candidate for candidate in decisions if candidate not in seen]
    report.unknown += len(unknown)
    for candidate in unknown:
        report.problem(f"{candidate}: the run has no such candidate")


def import_decisions(
    decisions: Mapping[str, HumanDecision], finished: Iterable[tuple[ImageRow, RowOutcome]], path: Path
) -> ReviewReport:
    """Append decisions to the file of a run, except for stale, invalid and unknown ones; the report names these.

    A decision that is the file's last about its candidate is not written again, and none is replaced by an older one,
    where both state their time as the review page does.

    Args:
        decisions: by candidate.
        finished: rows and outcomes of the engine, without decisions of people.
        path: the file of the run.

    Raises:
        InputError: the file cannot be read or written.
    """
    latest = read_decisions(path).latest
    report = ReviewReport()
    valid: set[str] = set()

    def checked() -> Iterator[tuple[ImageRow, RowOutcome]]:
        for row, outcome in finished:
            seen = outcome.with_objects(row)
            for engine in outcome.decisions:
                human = decisions.get(engine.candidate.id)
                if human is not None and not _problem(seen, engine.candidate, human):
                    valid.add(engine.candidate.id)
            yield row, outcome

    for _ in apply_to_all(checked(), decisions, report):
        pass
    new = []
    for candidate, decision in decisions.items():
        last = latest.get(candidate)
        if candidate not in valid or decision == last:
            continue
        if (
            last is not None
            and last.time.endswith("Z")
            and decision.time.endswith("Z")
            and decision.time < last.time
        ):
            report.older += 1
            continue
        new.append(decision)
    append_decisions(path, new)
    return report


def _problem(row: ImageRow, candidate: Candidate, human: HumanDecision) -> str:
    """Why a decision cannot be applied; "" if it can."""
    if human.digest != review_digest(row, candidate):
        return _STALE
    if human.action != "accept":
        return ""
    if human.instruction and not human.instruction.strip():
        return "the instruction is empty"
    if hidden := _hidden(human):
        return f"the instruction or a phrase has control characters ({hidden}): type it again"
    count = len(row.instances)
    numbers = [number for phrase in human.phrases for number in phrase.numbers]
    numbers += [mask.number for mask in human.masks]
    wrong = sorted({number for number in numbers if number > count})
    if wrong:
        return f"expected numbers of objects from 1 to {count}, got {', '.join(map(str, wrong))}"
    phrases = len(human.phrases or candidate.phrases)
    if any(index >= phrases for thing in human.added for index in thing.phrases):
        return f"an added object names a phrase that does not exist; the candidate has {phrases}"
    try:
        for place, code in enumerate([*(mask.rle for mask in human.masks), *(a.rle for a in human.added)]):
            check_rle(code, (row.image.height, row.image.width), "the decision", ("masks", place))
    except InputError as error:
        return str(error)
    return ""


def _hidden(human: HumanDecision) -> str:
    """The codes of letters in the words of a decision that nobody can see."""
    words = " ".join((human.instruction, *(phrase.text for phrase in human.phrases)))
    return ", ".join(f"U+{ord(letter):04X}" for letter in sorted(set(hidden_letters(_one_spaced(words)))))


def _one_spaced(text: str) -> str:
    return " ".join(text.split())


def _decide(
    row: ImageRow, own: int, engine: Decision, human: HumanDecision, report: ReviewReport
) -> tuple[ImageRow, Decision]:
    """The row and decision after a valid decision of a person; the row's first `own` objects are its own."""
    if human.action == "reject":
        report.verdicts[engine.state, "rejected"] += 1
        votes = {**engine.votes, PERSON: 0.0}
        reason = f"{PERSON}: {human.reason or 'no reason given'}"
        return row, replace(engine, state="rejected", reason=reason, votes=votes)
    old = engine.candidate
    before = len(row.instances)
    row, phrases = _corrected(row, own, old, human)
    new = replace(old, instruction=_one_spaced(human.instruction) or old.instruction, phrases=phrases)
    new = replace(new, kind=_kind(new))
    fixed = new != old or bool(human.masks)
    report.verdicts[engine.state, "fixed" if fixed else "accepted"] += 1
    report.masks += len(human.masks)
    report.added += len(row.instances) - before
    history = engine.history
    if fixed:
        earlier = {
            "instruction": old.instruction,
            "numbers": list(old.numbers),
            "reason": f"{PERSON}: fixed",
        }
        history = (*history, earlier)
    votes = {**engine.votes, PERSON: 1.0}
    return row, replace(engine, candidate=new, state="accepted", reason="", votes=votes, history=history)


def _corrected(
    row: ImageRow, own: int, candidate: Candidate, human: HumanDecision
) -> tuple[ImageRow, tuple[CandidatePhrase, ...]]:
    """The row with corrected masks and added objects, and the phrases with these numbers, too."""
    instances = list(row.instances)
    for mask in human.masks:
        instances[mask.number - 1] = _with_mask(instances[mask.number - 1], mask.rle)
    given = human.phrases or tuple(ReviewedPhrase(one.text, one.numbers) for one in candidate.phrases)
    numbers = [set(phrase.numbers) for phrase in given]
    for thing in human.added:
        number = _same_object(instances, own, thing.rle, row)
        if not number:
            instances.append(InstanceRecord(rle=thing.rle, category=thing.category))
            number = len(instances)
        for index in thing.phrases:
            numbers[index].add(number)
    phrases = tuple(
        CandidatePhrase(_one_spaced(phrase.text), tuple(sorted(found)))
        for phrase, found in zip(given, numbers, strict=True)
    )
    return replace(row, instances=tuple(instances)), phrases


def _same_object(instances: Sequence[InstanceRecord], own: int, rle: Rle, row: ImageRow) -> int:
    """The number of an object that another candidate added before, drawn again; 0 for none."""
    added = [thing.rle for thing in instances[own:] if thing.rle is not None]
    if not added:
        return 0
    size = (row.image.height, row.image.width)
    overlap = RleMasks.load(added, size, row.id).iou(RleMasks.load([rle], size, row.id))[:, 0]
    return own + 1 + int(overlap.argmax()) if overlap.max() >= _SAME_OBJECT else 0


def _with_mask(instance: InstanceRecord, rle: Rle) -> InstanceRecord:
    """The object with another mask, and the box around it; its point may lie outside and is dropped."""
    left, top, right, bottom = rle_box_xyxy(rle)
    box = (float(left), float(top), float(right - left), float(bottom - top))
    return replace(instance, rle=rle, box_xywh=None if instance.box_xywh is None else box, point_xy=None)


def _kind(candidate: Candidate) -> Kind:
    """The kind after a fix: without a target "absent", and with one no kind that has none."""
    if not candidate.numbers:
        return candidate.kind if candidate.kind in NO_TARGET else "absent"
    if candidate.kind not in NO_TARGET:
        return candidate.kind
    return "several" if len(candidate.phrases) > 1 else "category"
