"""The part of a finished row: its key depends on every stage and setting that a decision depends on."""

from __future__ import annotations

from collections.abc import Mapping

from instructsam.engine.candidates import RowOutcome, outcome_to_dict, parse_outcome
from instructsam.engine.flow import OUTCOME
from instructsam.engine.flow import outcome_fingerprint as fingerprint_of_outcomes
from instructsam.engine.ledger.store import PartStore
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Stage
from instructsam.engine.stages.table import fingerprints
from instructsam.engine.tasks import Part, Task


def outcome_fingerprint(config: EngineConfig, stages: Mapping[str, Stage]) -> str:
    """The fingerprint of the stage "outcome", for `find_outcome` and `outcome_part`."""
    return fingerprint_of_outcomes(fingerprints(stages), config)


def find_outcome(row: ImageRow, fingerprint: str, ledger: PartStore) -> RowOutcome | None:
    """The decisions about a row; None while it is not finished with these stages and settings."""
    part = ledger.get(Task(OUTCOME, row).key(fingerprint))
    return None if part is None else parse_outcome(part.data)


def outcome_part(row: ImageRow, fingerprint: str, outcome: RowOutcome) -> Part:
    """The part that `find_outcome` looks up."""
    return Part(Task(OUTCOME, row).key(fingerprint), OUTCOME, row.id, outcome_to_dict(outcome))
