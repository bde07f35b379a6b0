"""The export of a run: its accepted candidates, with the decisions of people, selected and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from instructsam.data.exclusion import BenchmarkImages
from instructsam.engine.filters.images import RowPictures
from instructsam.engine.flow import outcome_fingerprint
from instructsam.engine.ingest.ingest import read_report
from instructsam.engine.ledger.store import PartStore
from instructsam.engine.review.apply import apply_to_all
from instructsam.engine.review.decisions import HumanDecision, read_decisions
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.row_images import RowImages
from instructsam.engine.rows_file import iter_rows
from instructsam.engine.run_folder import RunFolder
from instructsam.engine.selection import select
from instructsam.engine.selection_report import SelectionReport
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.write.export import ExportReport, export
from instructsam.engine.write.finished import iter_finished
from instructsam.engine.write.provenance import run_facts
from instructsam.engine.write.selected import Selected, select_accepted


@dataclass
class RunExport:
    """An export of a run and its reports.

    Attributes:
        written: counts by split.
        selection: of filters and balance.
        review: of the decisions of people.
    """

    written: ExportReport
    selection: SelectionReport = field(default_factory=SelectionReport)
    review: ReviewReport = field(default_factory=ReviewReport)

    def lines(self) -> list[str]:
        """For a terminal."""
        return [*self.selection.lines(), *self.written.lines()]


def export_run(
    config: EngineConfig,
    folder: RunFolder,
    ledger: PartStore,
    stages: Mapping[str, str],
    images: RowImages,
    pictures: RowPictures | None = None,
    benchmarks: BenchmarkImages | None = None,
) -> RunExport:
    """Write the finished rows of a run to `write.folder`; rows that are not finished are not in it.

    Args:
        config: of the run.
        folder: of the run.
        ledger: of the run.
        stages: see `stages.table.fingerprints`.
        images: of the rows.
        pictures: see `selection.select`.
        benchmarks: see `selection.select`.

    Raises:
        InputError: as in `write.export.export`.
    """
    selection, reviews = SelectionReport(), [ReviewReport()]
    decisions = read_decisions(folder.decisions).latest
    fingerprint = outcome_fingerprint(stages, config)

    def read() -> Iterator[Selected]:
        reviews.append(ReviewReport())
        return read_accepted(folder, ledger, fingerprint, decisions, reviews[-1])

    ingested = read_report(folder.root)
    written = export(
        select(read, config, selection, pictures, benchmarks),
        config.write.folder or folder.export,
        images,
        run_facts(config, stages),
        config.write,
        selection,
        {} if ingested is None else ingested.left_out,
        folder.root,
    )
    return RunExport(written, selection, reviews[-1])


def read_accepted(
    folder: RunFolder,
    ledger: PartStore,
    fingerprint: str,
    decisions: Mapping[str, HumanDecision],
    report: ReviewReport,
) -> Iterator[Selected]:
    """The accepted candidates of a run's finished rows, in the order of the rows.

    Args:
        folder: of the run.
        ledger: of the run.
        fingerprint: of the outcomes.
        decisions: of people, see `review.decisions.read_decisions`.
        report: of these decisions, is filled.
    """
    finished = iter_finished(iter_rows(folder.rows), ledger, fingerprint)
    return select_accepted(apply_to_all(finished, decisions, report))
