"""The export: from accepted candidates to a data set that can be trained on and published (docs/engine_data.md)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from instructsam.data.record import write_records
from instructsam.engine.candidates import PERSON
from instructsam.engine.row_images import RowImages, read_file
from instructsam.engine.selection_report import SelectionReport
from instructsam.engine.settings.write import WriteSettings
from instructsam.engine.write.card import write_card
from instructsam.engine.write.coco import NAME as COCO
from instructsam.engine.write.coco import CocoNumbers, collect_numbers, write_coco
from instructsam.engine.write.counts import ExportCounts
from instructsam.engine.write.folder import MANIFEST, export_folder
from instructsam.engine.write.image_files import ImageFiles
from instructsam.engine.write.parquet import EXTRA, ParquetWriter
from instructsam.engine.write.provenance import RunFacts
from instructsam.engine.write.records import to_records
from instructsam.engine.write.rows import ExportRow, group_by_row, read_rows, write_rows
from instructsam.engine.write.selected import SPLITS, Selected, Split
from instructsam.errors import InputError
from instructsam.exports.dataset_card import NAME as CARD
from instructsam.exports.parquet_shards import import_pyarrow
from instructsam.structures.files import write_json, write_text

RECORDS = "records.jsonl"
_VERSION = 1  # of the layout


@dataclass(frozen=True)
class ExportReport:
    """Contents of an export.

    Attributes:
        folder: path or URL.
        splits: counts of every split that has images.
    """

    folder: str
    splits: dict[Split, ExportCounts]

    def lines(self) -> list[str]:
        """For people."""
        found = [
            f"{split}: {counts.records} records about {counts.images} images, {counts.by_person} accepted by people"
            for split, counts in self.splits.items()
        ]
        return [*found, f"written to {self.folder}"]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "folder": self.folder,
            "splits": {split: counts.to_dict() for split, counts in self.splits.items()},
        }


def export(
    selected: Iterable[Selected],
    destination: str | Path,
    images: RowImages,
    facts: RunFacts,
    settings: WriteSettings,
    report: SelectionReport | None = None,
    left_out: Mapping[str, int] = MappingProxyType({}),
    scratch: Path | None = None,
) -> ExportReport:
    """Write a data set: records, COCO and Parquet files, images and a card; the same bytes every time.

    Memory does not grow with the number of images. The folder appears whole or not at all.

    Args:
        selected: after filters and balance, those of one row side by side.
        destination: new or empty folder, or that of an earlier export, which is replaced; may be a URL of fsspec.
        images: of the rows.
        facts: of the run.
        settings: formats and images.
        report: of filters and balance, complete when `selected` has ended.
        left_out: images and objects of the source that did not become rows, by reason.
        scratch: existing folder for files until they are uploaded to a URL; None for the system's.

    Raises:
        InputError: nothing is selected, an image is missing, or the destination holds something else.
        MissingExtraError: Parquet files need pyarrow.
    """
    if "parquet" in settings.formats:
        import_pyarrow(EXTRA)
    with export_folder(destination, scratch or Path(tempfile.gettempdir())) as folder:
        spool = folder / ".rows"
        spool.mkdir()
        splits = _spool(selected, folder, spool, images, settings)
        numbers = CocoNumbers()
        for split in splits:
            collect_numbers(read_rows(spool / split), numbers)
        for split, counts in splits.items():
            _write_split(folder, split, counts, spool / split, images, facts, settings, numbers)
        shutil.rmtree(spool)
        card = write_card(settings, facts, splits, None if report is None else report.filters, left_out)
        write_text(folder / CARD, card)
        write_json(folder / MANIFEST, _manifest(settings, facts, splits, report, left_out))
    return ExportReport(str(destination), splits)


def _spool(
    selected: Iterable[Selected], folder: Path, spool: Path, images: RowImages, settings: WriteSettings
) -> dict[Split, ExportCounts]:
    """Put images into their places and rows into a file for each split; returns their counts."""
    files = ImageFiles(images, settings.images == "link")
    counts = {split: ExportCounts() for split in SPLITS}

    def placed(found: ExportRow) -> ExportRow:
        if settings.images == "none":
            return found
        return replace(found, file=files.add(found.row, folder / found.split))

    for found in group_by_row(selected):
        (folder / found.split).mkdir(exist_ok=True)
        write_rows(spool / found.split, [placed(found)])
        people = sum(PERSON in decision.votes for decision in found.decisions)
        counts[found.split].add(found, people)
    splits = {split: found for split, found in counts.items() if found.images}
    if not splits:
        raise InputError(
            "no accepted candidate is left to export: run the engine further, review the queue, or relax filters and "
            "balance; `instructsam engine status` shows the counts"
        )
    return splits


def _write_split(
    folder: Path,
    split: Split,
    counts: ExportCounts,
    rows: Path,
    images: RowImages,
    facts: RunFacts,
    settings: WriteSettings,
    numbers: CocoNumbers,
) -> None:
    if "records" in settings.formats:
        records = (record for found in read_rows(rows) for record in to_records(found, facts))
        write_records(folder / split / RECORDS, records)
    if "coco" in settings.formats:
        write_coco(folder / split / COCO, read_rows(rows), numbers)
    if "parquet" in settings.formats:

        def content(found: ExportRow) -> bytes:
            in_place = settings.images != "none"
            return read_file(folder / split / found.file) if in_place else images.content(found.row)

        writer = ParquetWriter(folder, facts, content if settings.embed_images else None, settings.shard_rows)
        writer.write(split, read_rows(rows))


def _manifest(
    settings: WriteSettings,
    facts: RunFacts,
    splits: dict[Split, ExportCounts],
    report: SelectionReport | None,
    left_out: Mapping[str, int],
) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "name": settings.name,
        "formats": list(settings.formats),
        "model": facts.model,
        "verifier": facts.verifier,
        "prompts": facts.prompts,
        "stages": dict(sorted(facts.stages.items())),
        "settings": facts.settings,
        "splits": {split: counts.to_dict() for split, counts in splits.items()},
        "selection": None if report is None else report.to_dict(),
        "left_out": dict(sorted(left_out.items())),
    }
