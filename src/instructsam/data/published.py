"""The field's data sets: which files each needs in the data folder, who publishes them, and which reader is for them.

Adding one is one line in `published_referring.py` or `published_categories.py`. Paths are relative to the data folder;
docs/data.md shows the whole tree.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructsam.data.formats.source import Tally
from instructsam.data.published_categories import CATEGORIES, CONCEPTS, STREETS
from instructsam.data.published_referring import INST2SEG, LISA_PLUS, MUSE, REASONING, REFERRING
from instructsam.data.published_set import Published as Published
from instructsam.data.record import Record
from instructsam.structures.file_names import find_file

PUBLISHED: tuple[Published, ...] = (
    *INST2SEG,
    *REASONING,
    *REFERRING,
    *CATEGORIES,
    *STREETS,
    *MUSE,
    *LISA_PLUS,
    *CONCEPTS,
)


@dataclass(frozen=True)
class Census:
    """Counts of the records of a benchmark.

    Attributes:
        records, phrases, instances, no_target: counts; `no_target` records have neither instances nor regions that
            may hold some (crowds, ignored pixels).
        images: different pictures.
        absent_images: those of them that are not in the folder, when one was given; `first_absent_image` names one.
        left_out: what the reader left out, by reason; `examples` has the first place of some of them.
    """

    records: int
    phrases: int
    instances: int
    no_target: int
    images: int
    absent_images: int
    first_absent_image: str
    left_out: dict[str, int]
    examples: dict[str, str]

    @classmethod
    def of(cls, records: Iterable[Record], tally: Tally, folder: Path | None = None) -> Census:
        """Read all records and count."""
        counts: Counter[str] = Counter()
        images: dict[str, None] = {}
        for record in records:
            found = sum(len(phrase.instances) for phrase in record.phrases)
            absent_target = found == 0 and not record.crowds and record.ignore is None
            counts.update(
                records=1, phrases=len(record.phrases), instances=found, no_target=int(absent_target)
            )
            images[record.image.file] = None
        absent = (
            [] if folder is None else [file for file in images if not os.path.isfile(find_file(folder, file))]
        )
        return cls(
            counts["records"],
            counts["phrases"],
            counts["instances"],
            counts["no_target"],
            len(images),
            len(absent),
            absent[0] if absent else "",
            dict(tally.left_out.most_common()),
            dict(tally.examples),
        )

    def sentence(self) -> str:
        """The counts in words."""
        return (
            f"{self.records} records, {self.phrases} phrases, {self.instances} instances, "
            f"{self.no_target} without target"
        )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)
