"""Accepted candidates as Inst2Seg records."""

from __future__ import annotations

from collections.abc import Iterator

from instructsam.data.record import PhraseRecord, Record
from instructsam.engine.candidates import PERSON
from instructsam.engine.write.provenance import RunFacts, record_provenance
from instructsam.engine.write.rows import ExportRow


def to_records(found: ExportRow, facts: RunFacts) -> Iterator[Record]:
    """The records of an image.

    Crowd regions are in records with targets alone: of an instruction without target the stages have seen to it that
    nothing is meant.
    """
    for decision in found.decisions:
        candidate = decision.candidate
        by_person = PERSON in decision.votes
        yield Record(
            id=candidate.id,
            image=found.image,
            instruction=candidate.instruction,
            phrases=tuple(
                PhraseRecord(phrase.text, found.instances(phrase.numbers)) for phrase in candidate.phrases
            ),
            family=candidate.kind,
            meta={"engine": record_provenance(found.row, decision, by_person, facts)},
            crowds=tuple(code for code, _ in found.crowds) if candidate.numbers else (),
        )
