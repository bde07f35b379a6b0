"""`instructsam engine run` and `engine status`, without the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from instructsam.config import load_config
from instructsam.engine.candidates import RowOutcome
from instructsam.engine.ingest.ingest import IngestReport, ingest
from instructsam.engine.rows import ImageRow
from instructsam.engine.rows_file import iter_rows
from instructsam.engine.run_folder import MAIN_SEGMENT, RunFolder, open_run_folder, run_folder
from instructsam.engine.runners.local import run_local
from instructsam.engine.runners.outcomes import outcome_fingerprint
from instructsam.engine.runners.progress import Progress, RunReport
from instructsam.engine.runners.ray_data import run_on_ray
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.preview import preview_row
from instructsam.engine.status import RunStatus, run_status
from instructsam.engine.write.finished import iter_finished
from instructsam.errors import InputError
from instructsam.experiments.engine.equipment import open_equipment, open_row_source, open_stages

_LOG = logging.getLogger(__name__)


def run_engine(
    config: EngineConfig,
    *,
    limit: int = 0,
    max_minutes: float = 0.0,
    on_cluster: bool = False,
    progress: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] = _LOG.warning,
) -> RunReport:
    """Read the source, then perform every task that the ledger of the run does not hold.

    Args:
        config: of the run; its folder is created, or opened to resume.
        limit: number of unfinished rows to try; 0 for all.
        max_minutes: the run stops cleanly after this time; 0 for no limit.
        on_cluster: whether Ray performs the rows, with the group `cluster`.
        progress: called after every row.
        note: receives sentences for the user.

    Raises:
        InstructSAMError: a source, model or server cannot be opened, or the run's folder cannot be written.
    """
    if on_cluster and (limit or max_minutes):
        raise InputError("--cluster takes neither --limit nor --max-minutes: set source.limit, or leave them out")
    source = open_row_source(config)
    folder, changes = open_run_folder(config)
    for line in changes:
        note(line)
    report = ingest(source, folder, config)
    for line in report.lines():
        note(line)
    if on_cluster:
        return run_on_ray(config, folder, open_equipment, progress=progress)
    with SpendingLog(folder.root) as spending, folder.open_ledger(MAIN_SEGMENT) as ledger:
        stop = Stop()
        equipment = open_equipment(config, spending, stop, note)
        return run_local(
            iter_rows(folder.rows),
            config,
            equipment.stages,
            equipment.responders,
            equipment.pictures,
            ledger,
            stop=stop,
            note=note,
            spending=spending,
            total=report.rows,
            limit=limit,
            max_minutes=max_minutes,
            progress=progress,
        )


def preview(config: EngineConfig, folder: Path) -> list[Path]:
    """Write every question about the first image into a folder; nothing is sent.

    Raises:
        InstructSAMError: the source or a prompt cannot be opened.
    """
    from instructsam.data.formats.source import Tally
    from instructsam.engine.stages.pictures import RowPictures

    source = open_row_source(config)
    rows = (row for row in source.rows(Tally()) if row.instances or config.source.detector)
    row = next(islice(rows, 1), None)
    if row is None:
        raise InputError(f"{config.source.data} has no image with objects: name a source with at least one")
    return preview_row(row, open_stages(config), RowPictures(source.images, config.propose.max_side), folder)


@dataclass(frozen=True)
class Run:
    """A run that has been started, opened to read.

    Attributes:
        config: its settings.
        folder: its files.
        fingerprint: of its outcomes under these settings.
    """

    config: EngineConfig
    folder: RunFolder
    fingerprint: str

    def finished(self) -> Iterator[tuple[ImageRow, RowOutcome]]:
        """The finished rows, in their order, with the engine's decisions."""
        with self.folder.open_ledger() as ledger:
            yield from iter_finished(iter_rows(self.folder.rows), ledger, self.fingerprint)

    def status(self) -> RunStatus:
        """Counts of rows, parts, decisions and spending."""
        with SpendingLog(self.folder.root) as spending, self.folder.open_ledger() as ledger:
            return run_status(iter_rows(self.folder.rows), ledger, self.fingerprint, spending.models)


def open_run(folder: Path, overrides: list[str] | None = None) -> Run:
    """A run by its folder.

    Args:
        folder: `output_dir` of the run.
        overrides: changes such as `filters.min_pixels=100`.

    Raises:
        InputError: it is no run's folder.
        InstructSAMError: a model or prompt of its settings cannot be opened.
    """
    path = RunFolder(folder).config
    if not path.is_file():
        raise InputError(
            f"{str(folder)!r} is not the folder of an engine run (it has no {path.name}): give the output_dir of "
            "`instructsam engine run`"
        )
    config = load_config(EngineConfig, path, overrides or [])
    config = config.model_copy(update={"output_dir": folder})
    fingerprint = outcome_fingerprint(config, open_stages(config))
    return Run(config, run_folder(config), fingerprint)


__all__ = ["IngestReport", "Run", "open_run", "preview", "run_engine"]
