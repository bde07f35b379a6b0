"""A run that has been started, opened to read: its status, its finished rows, and the decisions of people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from instructsam.config import load_config
from instructsam.engine.candidates import RowOutcome
from instructsam.engine.review.apply import apply_to_all
from instructsam.engine.review.decisions import read_decisions
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.rows import ImageRow
from instructsam.engine.rows_file import iter_rows
from instructsam.engine.run_folder import RunFolder, run_folder
from instructsam.engine.runners.outcomes import outcome_fingerprint
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Stage
from instructsam.engine.stages.table import fingerprints
from instructsam.engine.status import RunStatus, run_status
from instructsam.engine.write.finished import iter_finished
from instructsam.errors import InputError
from instructsam.structures.files import reason, write_json


@dataclass(frozen=True)
class Run:
    """A run, opened to read.

    Attributes:
        config: its settings, with the changes of this command.
        folder: its files.
        stages: the fingerprint of every stage by its name.
        outcome: the fingerprint of its outcomes.
    """

    config: EngineConfig
    folder: RunFolder
    stages: Mapping[str, str]
    outcome: str

    def finished(self) -> Iterator[tuple[ImageRow, RowOutcome]]:
        """The finished rows, in their order, with the engine's decisions."""
        with self.folder.open_ledger() as ledger:
            yield from iter_finished(iter_rows(self.folder.rows), ledger, self.outcome)

    def reviewed(self, report: ReviewReport) -> Iterator[tuple[ImageRow, RowOutcome]]:
        """The finished rows as people left them; `report` counts their decisions."""
        return apply_to_all(self.finished(), read_decisions(self.folder.decisions).latest, report)

    def status(self) -> RunStatus:
        """Counts of rows, parts, decisions and spending."""
        with SpendingLog(self.folder.root) as spending, self.folder.open_ledger() as ledger:
            return run_status(iter_rows(self.folder.rows), ledger, self.outcome, spending.models)


def write_stages(folder: RunFolder, config: EngineConfig, stages: Mapping[str, Stage]) -> None:
    """Store the fingerprints of a run.

    Raises:
        InputError: the file cannot be written.
    """
    document = {"stages": fingerprints(stages), "outcome": outcome_fingerprint(config, stages)}
    write_json(folder.stages, document)


def _read_stages(folder: RunFolder) -> tuple[dict[str, str], str]:
    """The fingerprints of the stages and of the outcomes that `write_stages` stored."""
    found = json.loads(folder.stages.read_bytes())
    return dict(found["stages"]), str(found["outcome"])


def changed_stages(folder: RunFolder, config: EngineConfig, stages: Mapping[str, Stage]) -> list[str]:
    """Lines about what the latest run in a folder did otherwise; none for a new folder.

    A prompt in a file of the user changes without any setting, so this looks at fingerprints.
    """
    try:
        before, outcome = _read_stages(folder)
    except (OSError, ValueError, KeyError, TypeError):  # new, or damaged and written again
        return []
    changed = [name for name, now in fingerprints(stages).items() if before.get(name, now) != now]
    if changed:
        return [
            f"prompt, model or settings changed of {', '.join(changed)}: its tasks are repeated, and what follows from "
            "them; earlier answers stay in the ledger"
        ]
    if outcome != outcome_fingerprint(config, stages):
        return [
            "decisions are made again: answers in the ledger are reused, and only missing ones are requested"
        ]
    return []


def open_run(folder: Path, overrides: list[str] | None = None) -> Run:
    """A run by its folder.

    Args:
        folder: `output_dir` of the run.
        overrides: changes to the groups `balance` and `write`, and to filters of an export, such as
            `write.val_share=0.1`; decisions that the run has made stay.

    Raises:
        InputError: it is no folder of a run.
        ConfigError: a change is not valid.
    """
    path = RunFolder(folder).config
    if not path.is_file():
        raise InputError(
            f"{str(folder)!r} is not the folder of an engine run (it has no {path.name}): give the output_dir of "
            "`instructsam engine run`"
        )
    config = load_config(EngineConfig, path, overrides or []).model_copy(update={"output_dir": folder})
    run = run_folder(config)
    try:
        return Run(config, run, *_read_stages(run))
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is damaged"
        raise InputError(
            f"{run.stages} cannot be read ({why}): repeat `instructsam engine run`, which writes it again"
        ) from error
