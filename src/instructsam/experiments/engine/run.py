"""`instructsam engine run`, without the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from instructsam.data.formats.source import Tally
from instructsam.engine.ingest.ingest import ingest
from instructsam.engine.ingest.source import RowSource
from instructsam.engine.rows_file import iter_rows
from instructsam.engine.run_folder import MAIN_SEGMENT, RunFolder, open_run_folder
from instructsam.engine.runners.local import run_local
from instructsam.engine.runners.progress import Progress, RunReport
from instructsam.engine.runners.ray_data import run_on_ray
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Stage
from instructsam.engine.stages.pictures import RowPictures
from instructsam.engine.stages.preview import preview_rows
from instructsam.errors import InputError
from instructsam.experiments.engine.equipment import open_equipment, open_stages
from instructsam.experiments.engine.opened import changed_stages, write_stages
from instructsam.experiments.engine.source import open_source

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
        raise InputError(
            "expected --cluster without --limit and --max-minutes, which are of the local runner: leave them out, or "
            "set source.limit"
        )
    source, stages = open_source(config), open_stages(config)
    folder, changes = open_run_folder(config)
    for line in changes:
        note(line)
    if on_cluster:
        _read_source(source, folder, config, stages, note)
        return run_on_ray(config, folder, open_equipment, progress=progress)
    with SpendingLog(folder.root) as spending:
        stop = Stop()
        equipment = open_equipment(
            config, spending, stop, note, stages
        )  # a wrong URL is found before the ingest
        total = _read_source(source, folder, config, stages, note)
        options = {"total": total, "limit": limit, "max_minutes": max_minutes, "progress": progress}
        with folder.open_ledger(MAIN_SEGMENT) as ledger:
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
                **options,
            )


def _read_source(
    source: RowSource,
    folder: RunFolder,
    config: EngineConfig,
    stages: Mapping[str, Stage],
    note: Callable[[str], None],
) -> int:
    """Write the rows and fingerprints of a run into its folder; returns the number of rows."""
    report = ingest(source, folder, config)
    for line in report.lines():
        note(line)
    for line in changed_stages(folder, config, stages):
        note(line)
    write_stages(folder, config, stages)
    return report.rows


def preview(config: EngineConfig, folder: Path) -> list[Path]:
    """Write the questions about the first three images into a folder; nothing is sent.

    Returns:
        The text files; the pictures lie beside them.

    Raises:
        InstructSAMError: the source, a model or a prompt cannot be opened.
    """
    source = open_source(config)
    rows = (row for row in source.rows(Tally()) if row.instances or config.source.detector)
    files = preview_rows(
        rows, open_stages(config), RowPictures(source.images, config.propose.max_side), folder
    )
    if not files:
        raise InputError(f"{config.source.data} has no image with objects: name a source with at least one")
    return files
