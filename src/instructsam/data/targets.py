"""The targets of a record: its masks, decoded, and whether it has an answer at all. Numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.data.formats.coco import ONLY_CROWDS
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record
from instructsam.structures.masks import decode_rles
from instructsam.structures.safe_text import one_line


def target_masks(record: Record) -> NDArray[np.bool_]:
    """The target masks of all phrases of a record, pooled: bool [M, H, W]."""
    return decode_all([instance.rle for phrase in record.phrases for instance in phrase.instances], record)


def decode_all(codes: Sequence[Mapping[str, Any]], record: Record) -> NDArray[np.bool_]:
    """bool [N, H, W] of run-length codes at the size of the record's image."""
    return decode_rles(codes, (record.image.height, record.image.width), f"record {one_line(record.id)!r}")


def with_known_answer(records: Iterable[Record], tally: Tally) -> Iterator[Record]:
    """Records without those whose only regions are crowds or ignored: they neither have a target nor have none."""
    for record in records:
        regions = bool(record.crowds) or record.ignore is not None
        if regions and not any(phrase.instances for phrase in record.phrases):
            tally.leave_out(ONLY_CROWDS, example=one_line(record.id))
        else:
            yield record
