"""The ingest: from a source to the file of rows, once for each state of the source."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from instructsam.data.formats.labelled import NO_OBJECTS
from instructsam.data.formats.source import Tally, left_out_lines
from instructsam.engine.digests import digest
from instructsam.engine.ingest.source import RowSource
from instructsam.engine.ledger.folders import is_url, open_file_system
from instructsam.engine.rows import ImageRow, row_to_dict
from instructsam.engine.run_folder import RunFolder
from instructsam.engine.settings.config import EngineConfig
from instructsam.errors import InputError, first_line
from instructsam.structures.files import file_sha256, write_json
from instructsam.structures.folders import whole_folder

MANIFEST = "rows.json"
"""The report of the ingest, in the folder of the run."""
TOO_MANY = "images with more objects than propose.max_objects"
_VERSION = 1  # of rows: another version reads every source again


@dataclass(frozen=True)
class IngestReport:
    """Contents of the file of rows.

    Attributes:
        fingerprint: of the source and of the settings that rows depend on.
        sha256: of the file.
        rows, objects: counts.
        left_out: by reason; `examples` has the first place of some of them.
        licences: images by licence, "" for an unknown one.
        is_new: whether the source was read now.
    """

    fingerprint: str
    sha256: str
    rows: int
    objects: int
    left_out: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)
    is_new: bool = True

    def lines(self) -> list[str]:
        """For people."""
        first = f"{self.rows} images with {self.objects} objects"
        return [first, *left_out_lines(self.left_out, self.examples)]


def ingest(source: RowSource, folder: RunFolder, config: EngineConfig) -> IngestReport:
    """Write the rows of a source into the folder of a run, unless they are there and the source has not changed.

    Args:
        source: see `open_rows`.
        folder: of the run; its file of rows appears whole or not at all.
        config: with `source.limit`, `source.detector` and `propose.max_objects`.

    Raises:
        InputError: an annotation is malformed, there is no row, or the folder cannot be written.
    """
    detector = bool(config.source.detector)
    fingerprint = digest(
        [_VERSION, source.fingerprint(), config.source.limit, config.propose.max_objects, detector]
    )
    local = folder.root / "rows.jsonl"
    known = read_report(folder.root)
    if known is not None and known.fingerprint == fingerprint and _is_whole(local, known):
        if folder.shared_rows != str(local) and not _is_stored(local, folder.shared_rows):
            _copy_to_storage(local, folder.shared_rows)
        return replace(known, is_new=False)
    with whole_folder(folder.root, "output_dir") as new:
        report = _write(source, new / local.name, config, fingerprint)
        if folder.shared_rows != str(local):
            _copy_to_storage(new / local.name, folder.shared_rows)
        write_json(new / MANIFEST, _plain(report))
    return report


def read_report(folder: Path) -> IngestReport | None:
    """The report of the last ingest into a run's folder; None without one."""
    try:
        return _REPORT.validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):  # a damaged one is written again
        return None


def _write(source: RowSource, path: Path, config: EngineConfig, fingerprint: str) -> IngestReport:
    tally = Tally()
    licences: Counter[str] = Counter()
    content, objects = hashlib.sha256(), 0
    rows = _usable(source.rows(tally), config, tally)
    with path.open("wb") as stream:
        for row in islice(rows, config.source.limit or None):
            line = json.dumps(row_to_dict(row), ensure_ascii=False, sort_keys=True).encode() + b"\n"
            stream.write(line)
            content.update(line)
            licences[row.licence] += 1
            objects += len(row.instances)
    count = licences.total()
    if not count:
        why = "".join(f"; {line}" for line in tally.lines())
        raise InputError(
            f"{config.source.data} has no image with objects: name a source with at least one{why}"
        )
    left_out = dict(sorted(tally.left_out.items()))
    by_licence = dict(sorted(licences.items()))
    return IngestReport(
        fingerprint, content.hexdigest(), count, objects, left_out, dict(tally.examples), by_licence
    )


def _usable(rows: Iterator[ImageRow], config: EngineConfig, tally: Tally) -> Iterator[ImageRow]:
    most = config.propose.max_objects
    for row in rows:
        if len(row.instances) > most:
            tally.leave_out(TOO_MANY, example=f"{len(row.instances)} in {row.image.file}, at most {most}")
        elif not row.instances and not config.source.detector:
            tally.leave_out(NO_OBJECTS, example=row.image.file)
        else:
            yield row


def _is_whole(path: Path, report: IngestReport) -> bool:
    try:
        return file_sha256(path) == report.sha256
    except OSError:
        return False


def _copy_to_storage(local: Path, place: str) -> None:
    """Copy the rows to where all machines of a cluster read them."""
    system, path = _file_system(place)
    try:
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        system.put_file(str(local), path)
    except OSError as error:
        raise InputError(f"{place}: the rows cannot be written ({first_line(error)})") from error


def _is_stored(local: Path, place: str) -> bool:
    system, path = _file_system(place)
    try:
        return bool(system.size(path) == local.stat().st_size)
    except OSError:
        return False


def _file_system(place: str) -> tuple[Any, str]:
    return open_file_system(place if is_url(place) else Path(place).absolute().as_uri())


def _plain(report: IngestReport) -> dict[str, Any]:
    found: dict[str, Any] = _REPORT.dump_python(report, mode="json", exclude={"is_new"})
    return found


_REPORT: TypeAdapter[IngestReport] = TypeAdapter(IngestReport)
