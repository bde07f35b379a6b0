"""The export of a run from its files: rows, ledger and decisions of people, selected and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from instructsam.cli.main import run
from instructsam.data.record import read_records
from instructsam.engine.candidates import Candidate, CandidatePhrase, Decision, RowOutcome
from instructsam.engine.flow import outcome_fingerprint
from instructsam.engine.ingest.ingest import ingest
from instructsam.engine.review.decisions import HumanDecision, append_decisions, review_digest
from instructsam.engine.rows import ImageRow
from instructsam.engine.rows_file import iter_rows
from instructsam.engine.run_folder import run_folder
from instructsam.engine.runners.outcomes import outcome_part
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.settings.write import WriteSettings
from instructsam.experiments.engine.export import RunExport, export_run
from instructsam.experiments.engine.opened import Run
from instructsam.experiments.engine.source import open_source
from instructsam.images.loader import load_image

STAGES = {"propose": "1a2b", "vote": "3c4d"}


def decisions(row: ImageRow) -> tuple[Decision, ...]:
    """One accepted, one rejected and one for review; each about the first object."""
    phrase = CandidatePhrase(f"the {row.instances[0].category} of {row.id[-1]}", (1,))
    one = Candidate(f"{row.id}#0", "category", f"Segment {phrase.text}.", (phrase,))
    return (
        Decision(one, "accepted", votes={"votes": 3, "agreement": 1.0}),
        Decision(replace(one, id=f"{row.id}#1", instruction="Segment this one."), "rejected", "votes: no"),
        Decision(replace(one, id=f"{row.id}#2", instruction="Find the first thing."), "review", "votes: no"),
    )


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(
        output_dir=tmp_path / "run",
        source=SourceSettings(data="world/val", limit=4, licence="ignored"),
        vlm=VLMSettings(model="team/proposer-7b", url="http://localhost/v1"),
        verifier=VLMSettings(model="verifier-7b", url="http://localhost/v1"),
        write=WriteSettings(name="scenes", val_share=0, test_share=0),
    )


def exported(config: EngineConfig) -> RunExport:
    """Three of four rows are finished; a person accepts the third candidate of the first one."""
    folder, source = run_folder(config), open_source(config)
    ingest(source, folder, config)
    rows = list(iter_rows(folder.rows))
    fingerprint = outcome_fingerprint(STAGES, config)
    with folder.open_ledger("main") as ledger:
        for row in rows[:3]:
            ledger.append(outcome_part(row, fingerprint, RowOutcome(row.id, decisions(row))))
    candidate = decisions(rows[0])[2].candidate
    append_decisions(
        folder.decisions, [HumanDecision(candidate.id, review_digest(rows[0], candidate), "accept")]
    )
    return export_run(Run(config, folder, STAGES, fingerprint))


def test_accepted_candidates_of_finished_rows_are_written(config: EngineConfig) -> None:
    found = exported(config)
    folder = run_folder(config).export
    records = list(read_records(folder / "train/records.jsonl"))
    rows = list(iter_rows(run_folder(config).rows))
    assert [record.id for record in records] == [
        f"{rows[0].id}#0",
        *(f"{rows[n].id}#{k}" for n, k in ((0, 2), (1, 0), (2, 0))),
    ]
    assert [record.meta["engine"]["by"] for record in records] == ["model", "person", "model", "model"]
    assert records[0].meta["engine"]["verifier"] == "verifier-7b"
    assert records[0].meta["engine"]["licence"] == "CC0-1.0"
    assert (found.review.applied, found.review.open) == (1, 2)
    assert found.written.splits["train"].by_person == 1
    image = load_image(folder / "train" / records[0].image.file).image
    assert np.array_equal(np.asarray(image), np.asarray(open_source(config).images.load(rows[0])))
    assert any(line.startswith("kept 4 of 4 accepted") for line in found.lines())
    assert run(["data", "check", str(folder / "train/records.jsonl")]) == 0


def test_exported_records_are_a_source_again(config: EngineConfig, tmp_path: Path) -> None:
    exported(config)
    path = run_folder(config).export / "train/records.jsonl"
    source = SourceSettings(data=str(path), licence="else")
    again = config.model_copy(update={"output_dir": tmp_path / "again", "source": source})
    ingest(open_source(again), run_folder(again), again)
    rows = list(iter_rows(run_folder(again).rows))
    assert [len(row.instances) for row in rows] == [1, 1, 1]
    assert {row.licence for row in rows} == {"CC0-1.0"}
