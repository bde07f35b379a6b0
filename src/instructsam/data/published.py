"""The field's benchmarks: which files each needs in the data folder, who publishes them, and which reader is for them.

Adding one is one line of `PUBLISHED`. Paths are relative to the data folder; docs/data.md shows the whole tree.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructsam.data.formats.coco import read_categories, read_concepts
from instructsam.data.formats.inst2seg import read_inst2seg
from instructsam.data.formats.muse import read_muse
from instructsam.data.formats.reasonseg import read_reasonseg_folder, read_reasonseg_list
from instructsam.data.formats.refer import read_grefs, read_refs
from instructsam.data.formats.roborefit import read_roborefit
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record
from instructsam.structures.file_names import find_file

COCO_IMAGES = "the pictures of MS COCO (train2014 for the RefCOCO family, train2017 and val2017 else)"
REFER = "refcoco, refcoco+ and refcocog of the REFER project (Kazemzadeh et al., Yu et al., Mao et al.)"


@dataclass(frozen=True)
class Published:
    """A published benchmark.

    Attributes:
        name: what the command line calls it.
        files: annotation files or folders that must be there.
        images: folder of the pictures.
        publisher: by name.
        read: the records, from the data folder.
    """

    name: str
    files: tuple[str, ...]
    images: str
    publisher: str
    read: Callable[[Path, Tally], Iterator[Record]]

    def missing(self, root: Path) -> list[str]:
        """Files that are not in the data folder; a .json file may replace a .p file."""
        needed = dict.fromkeys((*self.files, self.images))
        return [file for file in needed if not _is_there(root / file)]

    def is_begun(self, root: Path) -> bool:
        """Whether some of its annotation files are in the data folder; its pictures may belong to others, too."""
        return any(_is_there(root / file) for file in self.files)


def _is_there(path: Path) -> bool:
    return as_spelled(path).exists() or (path.suffix == ".p" and path.with_suffix(".json").exists())


def as_spelled(path: Path) -> Path:
    """The file as it lies there: MUSE's are published as muse_val.json and as MUSE_val.json."""
    other = path.with_name(path.name.replace("muse_", "MUSE_"))
    return other if other.exists() and not path.exists() else path


def _refer(data: str, splitter: str, split: str) -> Published:
    return Published(
        f"{data}/{split}",
        (f"{data}/refs({splitter}).p", f"{data}/instances.json"),
        "coco/train2014",
        f"{REFER}; {COCO_IMAGES}",
        lambda root, tally: read_refs(root / data, splitter, split, "coco/train2014", tally),
    )


def _grefcoco(split: str) -> Published:
    return Published(
        f"grefcoco/{split}",
        ("grefcoco/grefs(unc).json", "grefcoco/instances.json"),
        "coco/train2014",
        f"gRefCOCO of the GRES project (Liu et al. 2023); {COCO_IMAGES}",
        lambda root, tally: read_grefs(root / "grefcoco", split, "coco/train2014", tally),
    )


def _reasonseg(split: str) -> Published:
    return Published(
        f"reasonseg/{split}",
        (f"reasonseg/{split}",),
        f"reasonseg/{split}",
        "ReasonSeg of the LISA project (Lai et al. 2023)",
        lambda root, tally: read_reasonseg_folder(root / "reasonseg" / split, root, tally),
    )


def _reasonseg_list(split: str) -> Published:
    return Published(
        f"reasonseg-list/{split}",
        (f"reasonseg/{split}.json",),
        "reasonseg/images",
        "ReasonSeg as one list, with masks written out, of the InstructSAM project",
        lambda root, tally: read_reasonseg_list(root / f"reasonseg/{split}.json", "reasonseg/images", tally),
    )


def _roborefit(split: str) -> Published:
    file = f"roborefit/final_dataset/{split}/roborefit_{split}.json"
    return Published(
        f"roborefit/{split}",
        (file,),
        f"roborefit/final_dataset/{split}/image",
        "RoboRefIt of the VL-Grasp project (Lu et al. 2023)",
        lambda root, tally: read_roborefit(root / file, root / "roborefit", root, tally),
    )


def _categories(name: str, file: str, images: str, publisher: str) -> Published:
    return Published(
        name, (file,), images, publisher, lambda root, tally: read_categories(root / file, images, tally)
    )


def _muse(split: str) -> Published:
    file = f"muse/muse_{split}.json"
    return Published(
        f"muse/{split}",
        (file,),
        "coco",
        f"MUSE of the PixelLM project (Ren et al. 2023); {COCO_IMAGES}",
        lambda root, tally: read_muse(as_spelled(root / file), "coco", tally),
    )


def _inst2seg(name: str, file: str) -> Published:
    return Published(
        name,
        (file,),
        "inst2seg/images",
        "Inst2Seg and Inst2Seg-Bench of the InstructSAM project (arXiv 2605.26102)",
        lambda root, tally: read_inst2seg(root / file, "inst2seg/images", tally),
    )


def _gold(subset: str) -> Published:
    files = tuple(f"saco/gold/gold_{subset}_merged_{annotator}_release_test.json" for annotator in "abc")
    images = "saco/sa1b-images" if subset == "sa1b" else "saco/metaclip-images"
    return Published(
        f"saco-gold/{subset}",
        files,
        images,
        "SA-Co/Gold of the SAM 3 project (three annotators a, b, c); pictures of MetaCLIP and SA-1B",
        lambda root, tally: read_concepts([root / file for file in files], images, tally),
    )


def _silver(subset: str) -> Published:
    merged = "" if subset == "fathomnet" else "merged_"
    file, images = f"saco/silver/silver_{subset}_{merged}test.json", f"saco/silver-images/{subset}"
    return Published(
        f"saco-silver/{subset}",
        (file,),
        images,
        "SA-Co/Silver of the SAM 3 project; pictures of the data set that the subset is named after",
        lambda root, tally: read_concepts([root / file], images, tally),
    )


_GOLD = ("metaclip", "sa1b", "crowded", "fg_food", "fg_sports_equipment", "attributes", "wiki_common")
_SILVER = (
    "bdd100k",
    "droid",
    "ego4d",
    "fathomnet",
    "food_rec",
    "geode",
    "inaturalist",
    "nga_art",
    "sav",
    "yt1b",
)

PUBLISHED: tuple[Published, ...] = (
    _inst2seg("inst2seg/train", "inst2seg/inst2seg.json"),
    _inst2seg("inst2seg-bench", "inst2seg/inst2seg_bench.json"),
    *(_reasonseg(split) for split in ("val", "test", "train")),
    *(_reasonseg_list(split) for split in ("val", "test")),
    *(_refer(data, "unc", s) for data in ("refcoco", "refcoco+") for s in ("val", "testA", "testB", "train")),
    *(_refer("refcocog", "umd", split) for split in ("val", "test", "train")),
    *(_grefcoco(split) for split in ("val", "testA", "testB", "train")),
    *(_roborefit(split) for split in ("testA", "testB", "train")),
    _categories("coco/val2017", "coco/annotations/instances_val2017.json", "coco/val2017", "MS COCO 2017"),
    _categories("lvis/val", "lvis/lvis_v1_val.json", "coco", f"LVIS v1 (Gupta et al. 2019); {COCO_IMAGES}"),
    *(_muse(split) for split in ("val", "test_less", "test_many", "train")),
    *(_gold(subset) for subset in _GOLD),
    *(_silver(subset) for subset in _SILVER),
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
