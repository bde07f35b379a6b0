"""Parquet files for the Hugging Face hub: a row for each image, with its objects and its instructions.

`datasets.load_dataset` opens the folder of the export, and `instructsam train --data` reads the files back. Needs the
extra `engine`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from instructsam.data.record import InstanceRecord
from instructsam.engine.candidates import PERSON, Decision
from instructsam.engine.write.provenance import RunFacts, record_provenance
from instructsam.engine.write.rows import ExportRow
from instructsam.exports.parquet_shards import ParquetShards, import_pyarrow
from instructsam.structures.masks import rle_box_xyxy

ReadImage: TypeAlias = Callable[[ExportRow], bytes]

EXTRA = "engine"
_FEATURES = {"info": {"features": {"image": {"_type": "Image"}}}}  # the other columns say enough


class ParquetWriter:
    """Writes the Parquet files of an export.

    Args:
        folder: of the export.
        facts: of the run.
        content: the bytes of an image; None for paths alone.
        shard_rows: images in a file.
    """

    def __init__(self, folder: Path, facts: RunFacts, content: ReadImage | None, shard_rows: int) -> None:
        self.folder, self.facts, self.content, self.shard_rows = folder, facts, content, shard_rows
        self.arrow = import_pyarrow(EXTRA)

    def write(self, split: str, rows: Iterable[ExportRow]) -> None:
        """Write the files of a split."""
        shards = ParquetShards(self.arrow, self.folder, split, _schema(self.facts), self.shard_rows)
        try:
            for found in rows:
                values = self._values(found)
                shards.add(values, len(values["image"]["bytes"] or ""))
            shards.close()
        finally:
            shards.abandon()

    def _values(self, found: ExportRow) -> dict[str, Any]:
        row = found.row
        content = None if self.content is None else self.content(found)
        name = self._path(found) if content is None else found.file.rpartition("/")[2]
        return {
            "image": {"bytes": content, "path": name},
            "image_id": row.id,
            "height": row.image.height,
            "width": row.image.width,
            "objects": [_object(instance) for instance in row.instances],
            "crowds": [code for code, _ in found.crowds],
            "instructions": [self._instruction(found, decision) for decision in found.decisions],
            "source": row.source,
            "licence": row.licence,
        }

    def _path(self, found: ExportRow) -> str:
        """Relative to the folder of the Parquet files."""
        is_copied = found.file != found.row.image.file
        return f"../{found.split}/{found.file}" if is_copied else found.file

    def _instruction(self, found: ExportRow, decision: Decision) -> dict[str, Any]:
        candidate = decision.candidate
        facts = record_provenance(found.row, decision, PERSON in decision.votes, self.facts)
        return {
            "id": candidate.id,
            "instruction": candidate.instruction,
            "kind": candidate.kind,
            "phrases": [
                {"text": phrase.text, "objects": [number - 1 for number in phrase.numbers]}
                for phrase in candidate.phrases
            ],
            "round": candidate.round,
            "by": facts["by"],
            "votes": json.dumps(facts["votes"], sort_keys=True),
        }


def _object(instance: InstanceRecord) -> dict[str, Any]:
    if instance.box_xywh is not None:
        box: Sequence[float] = instance.box_xywh
    else:
        left, top, right, bottom = rle_box_xyxy(instance.rle or {})
        box = (left, top, right - left, bottom - top)
    return {
        "bbox": [float(value) for value in box],
        "segmentation": instance.rle,
        "category": instance.category,
    }


def _schema(facts: RunFacts) -> Any:
    provenance = {"model": facts.model, "verifier": facts.verifier, "prompts": facts.prompts}
    return _columns().with_metadata(
        {"huggingface": json.dumps(_FEATURES), "instructsam": json.dumps(provenance, sort_keys=True)}
    )


@lru_cache(maxsize=1)
def _columns() -> Any:
    arrow = import_pyarrow(EXTRA)
    text, whole = arrow.string(), arrow.int32()
    code = arrow.struct({"size": arrow.list_(whole), "counts": text})
    thing = arrow.struct({"bbox": arrow.list_(arrow.float64()), "segmentation": code, "category": text})
    phrase = arrow.struct({"text": text, "objects": arrow.list_(whole)})
    instruction = arrow.struct(
        {
            **{"id": text, "instruction": text, "kind": text, "phrases": arrow.list_(phrase)},
            **{"round": whole, "by": text, "votes": text},
        }
    )
    return arrow.schema(
        {
            "image": arrow.struct({"bytes": arrow.binary(), "path": text}),
            **{"image_id": text, "height": whole, "width": whole},
            "objects": arrow.list_(thing),
            "crowds": arrow.list_(code),
            "instructions": arrow.list_(instruction),
            **{"source": text, "licence": text},
        }
    )
