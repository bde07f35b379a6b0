"""The targets of a record: their regions, decoded, and whether it has an answer at all. Numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.data.formats.coco import ONLY_CROWDS
from instructsam.data.formats.source import Tally
from instructsam.data.record import InstanceRecord, Record
from instructsam.errors import InputError
from instructsam.structures.masks import decode_rles
from instructsam.structures.safe_text import one_line

WITHOUT_MASK = "instructions with a target whose mask is unknown"


def target_masks(record: Record) -> NDArray[np.bool_]:
    """The target masks of all phrases of a record, pooled: bool [M, H, W]."""
    return decode_all(
        mask_codes([one for phrase in record.phrases for one in phrase.instances], record), record
    )


def mask_codes(instances: Iterable[InstanceRecord], record: Record) -> list[dict[str, Any]]:
    """The run-length codes of instances whose masks are known.

    Raises:
        InputError: of one of them only its box or a point is known.
    """
    codes = []
    for instance in instances:
        if instance.rle is None:
            raise InputError(
                f"record {one_line(record.id)!r}: expected the mask of every instance, got one with its "
                f"{instance.known} alone: leave the record out"
            )
        codes.append(instance.rle)
    return codes


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


def with_masks(records: Iterable[Record], tally: Tally) -> Iterator[Record]:
    """Records without those of which a mask is unknown: they train a model, but no metric of masks can score them."""
    for record in records:
        answers = (*(phrase.instances for phrase in record.phrases), *record.alternatives)
        if all(instance.rle is not None for instances in answers for instance in instances):
            yield record
        else:
            tally.leave_out(WITHOUT_MASK, example=one_line(record.id))
