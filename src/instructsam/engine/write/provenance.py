"""Facts about a run that its export states: models, prompts, settings. Nothing of servers, keys and local paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from instructsam.config import to_dict
from instructsam.engine.candidates import Decision
from instructsam.engine.digests import digest
from instructsam.engine.ingest.records import source_label
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig

_GROUPS = ("propose", "verify", "reground", "filters", "balance")


@dataclass(frozen=True)
class RunFacts:
    """Facts that all records of a run share.

    Attributes:
        model: that proposes.
        verifier: that verifies.
        stages: stage -> fingerprint of its prompt, model and settings.
        settings: of the stages, the filters and the balance.
        source: name of the source.
        language: ISO 639-1 code of the instructions, "" for unknown.
        command: that wrote the export.
    """

    model: str
    verifier: str
    stages: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    language: str = ""
    command: str = "instructsam engine export RUN"

    @property
    def prompts(self) -> str:
        """One digest of all stages."""
        return digest(dict(self.stages))


def run_facts(config: EngineConfig, stages: Mapping[str, str]) -> RunFacts:
    """The facts of a run.

    Args:
        config: of the run.
        stages: see `stages.table.fingerprints`.
    """
    verifier = config.verifier or config.vlm
    return RunFacts(
        model=source_label(config.vlm.model),
        verifier=source_label(verifier.model),
        stages=dict(stages),
        settings={name: _public(to_dict(getattr(config, name))) for name in _GROUPS},
        source=source_label(config.source.data),
        language=config.filters.language,
    )


def record_provenance(row: ImageRow, decision: Decision, by_person: bool, facts: RunFacts) -> dict[str, Any]:
    """`meta.engine` of a record."""
    return {
        "model": facts.model,
        "verifier": facts.verifier,
        "prompts": facts.prompts,
        "round": decision.candidate.round,
        "votes": dict(sorted(decision.votes.items())),
        "by": "person" if by_person else "model",
        "row": row.id,
        "source": row.source,
        "licence": row.licence,
    }


def _public(value: Any) -> Any:
    """Settings with paths cut to their last parts."""
    if isinstance(value, dict):
        return {key: _public(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_public(item) for item in value]
    return source_label(value) if isinstance(value, str) else value
